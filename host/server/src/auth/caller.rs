//! The caller of the API.

use crate::access::Access;
use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::Operation;
use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use social_channel::{SecretText, Tenant, TenantId};

use super::browser::{Browser, CSRF_HEADER};
use super::{Arrival, is_open};
use crate::State;
use crate::connection::Seat;
use crate::problem::{Problem, RETRY_AFTER};

/// The tenant for which the operator's key acts.
const TENANT_HEADER: &str = "social-channel-tenant";

/// The caller of the API, and its tenant.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    /// Whether it may make calls that concern all tenants.
    pub(crate) operator: bool,
    /// Who it is, for the history: a person's name, or a key's as `API key NAME`.
    by: Option<String>,
}

impl Caller {
    /// The calls of its tenant.
    pub(crate) fn tenant(&self, state: &State) -> Tenant {
        state.calls_by(self.tenant.clone(), self.by.as_deref())
    }

    fn within_share(self, parts: &Parts) -> Result<Self, Problem> {
        if Seat::is_on_trial(&parts.extensions) {
            return Err(Problem::all_places_taken());
        }
        if Seat::is_within_share(&parts.extensions, self.tenant.as_str()) {
            return Ok(self);
        }
        Err(Problem::too_many("too many requests of this tenant are being answered", RETRY_AFTER))
    }

    /// Whoever calls, also beyond its share of the connections.
    async fn of(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        if let Some(value) = parts.headers.get(AUTHORIZATION) {
            let text = value.to_str().unwrap_or_default();
            let Some(key) = text.strip_prefix("Bearer ") else {
                return Err(Problem::unauthenticated("the header Authorization does not hold a key"));
            };
            let key = Access::of(state.host()).check_api_key(&SecretText::new(key.trim())).await?;
            let key = key.ok_or_else(|| Problem::unauthenticated("the key is unknown or was revoked"))?;
            Seat::proves(&parts.extensions);
            let by = Some(format!("API key {}", key.name));
            return match key.tenant {
                Some(tenant) => only_own(parts, tenant.parse()?, by),
                None => operator(parts, &state.0.tenant, by),
            };
        }
        let arrival = parts.extensions.get::<Arrival>().cloned();
        // A page's script is the operator's browser, on any listener: it proves its origin with the token.
        let safe = parts.method.is_safe();
        if let Some(browser) = Browser::of(parts, state).await?
            && let Some(browser) = browser.operator(state, arrival.as_ref()).await?
        {
            let token = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
            let proven = token.map(|token| browser.has_sent_for_this_tenant(state, token)).transpose()?;
            if safe || proven == Some(true) {
                let by = browser.person().map(str::to_owned);
                return operator(parts, browser.tenant_id(), by);
            }
            return Err(Problem::not_allowed(
                "the request came with a cookie and without the page's token",
                "send the token in the header X-CSRF-Token, or an API key and no cookie",
            ));
        }
        if is_open(state, arrival.as_ref()).await? {
            return operator(parts, &state.0.tenant, None);
        }
        Err(Problem::unauthenticated("the request has no API key"))
    }
}

impl FromRequestParts<State> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        Self::of(parts, state).await?.within_share(parts)
    }
}

fn named(parts: &Parts) -> Result<Option<TenantId>, Problem> {
    let named = parts.headers.get(TENANT_HEADER).map(|value| value.to_str().unwrap_or_default().parse());
    Ok(named.transpose()?)
}

fn only_own(parts: &Parts, own: TenantId, by: Option<String>) -> Result<Caller, Problem> {
    if named(parts)?.is_some_and(|named| named != own) {
        return Err(Problem::not_allowed(
            "the key belongs to another tenant",
            "omit the header Social-Channel-Tenant, or use that tenant's key",
        ));
    }
    Ok(Caller { tenant: own, operator: false, by })
}

/// The operator acts for the tenant that the request names, or else for `usual`.
fn operator(parts: &Parts, usual: &TenantId, by: Option<String>) -> Result<Caller, Problem> {
    Seat::proves_operator(&parts.extensions);
    let tenant = named(parts)?.unwrap_or_else(|| usual.clone());
    Ok(Caller { tenant, operator: true, by })
}

fn document(operation: &mut Operation) {
    let requirement = [("key".to_owned(), Vec::new())].into_iter().collect();
    operation.security = vec![requirement];
}

impl OperationInput for Caller {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        document(operation);
    }
}

/// A [`Caller`] that may make calls that concern all tenants.
#[derive(Clone, Debug)]
pub(crate) struct OperatorCaller;

impl FromRequestParts<State> for OperatorCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        // What concerns all tenants is no tenant's share: a tenant that floods does not keep the operator out.
        if Caller::of(parts, state).await?.operator {
            return Ok(OperatorCaller);
        }
        Err(Problem::not_allowed(
            "a tenant's key may not do that",
            "use an operator's key, which was created without a tenant",
        ))
    }
}

impl OperationInput for OperatorCaller {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        document(operation);
    }
}

/// Whether a key or the listener identifies the caller as the operator; for calls without a tenant.
pub(crate) async fn is_operator_call(
    state: &State,
    arrival: Option<&Arrival>,
    headers: &http::HeaderMap,
) -> social_channel::Result<bool> {
    let key = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(key) = key.and_then(|value| value.strip_prefix("Bearer ")) {
        let key = Access::of(state.host()).check_api_key(&SecretText::new(key.trim())).await?;
        return Ok(key.is_some_and(|key| key.tenant.is_none()));
    }
    is_open(state, arrival).await
}
