//! Browsers that signed in. A session says with which password, and ends when that one is changed or removed, even if
//! the browser was just signing in with the old one. And which tenant a browser acts for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use social_channel::{Document, DocumentChanges, Result, SecretText, TenantId};

use super::password::{OPERATOR, Password};
use super::{Access, hash, millis};

/// The kind of these documents.
const BROWSER: &str = "browser";
/// The kind of [`ChosenTenant`]s.
const CHOSEN: &str = "browser-tenant";
/// How long a browser stays signed in, and how long its choice is kept.
const SIGNED_IN: Duration = Duration::from_secs(30 * 24 * 3600);

/// The stored data of a browser session, under the hash of its cookie.
#[derive(Serialize, Deserialize)]
struct BrowserFacts {
    /// Absent: the one without a name, of which earlier versions noted nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<UsedPassword>,
}

#[derive(Serialize, Deserialize)]
struct UsedPassword {
    id: String,
    mark: String,
}

/// The tenant that a browser chose, under the hash of its cookie.
#[derive(Serialize, Deserialize)]
struct ChosenTenant {
    tenant: String,
}

/// Who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedIn {
    /// The person's name; None: with the password that has no name.
    pub(crate) person: Option<String>,
}

impl Access<'_> {
    /// Signs a browser with this cookie in, without a name. If the future is dropped, it is signed in or not.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn sign_in(self, cookie: &SecretText) -> Result<()> {
        let password = self.password(OPERATOR).await?;
        self.begin_session(cookie, password).await
    }

    /// Signs a browser with this cookie in, if name and password are right.
    pub(crate) async fn sign_in_as(
        self,
        cookie: &SecretText,
        name: Option<&str>,
        password: SecretText,
    ) -> Result<Option<SignedIn>> {
        let Some(password) = self.proven(name, password).await? else { return Ok(None) };
        let who = SignedIn { person: password.name.clone() };
        self.begin_session(cookie, Some(password)).await?;
        Ok(Some(who))
    }

    async fn begin_session(self, cookie: &SecretText, password: Option<Password>) -> Result<()> {
        let now = self.0.clock().now_ms();
        let password = password.map(|Password { id, mark, .. }| UsedPassword { id, mark });
        let document = Document {
            id: hash(cookie.expose()),
            facts: BrowserFacts { password },
            body: None,
            created_at: now,
            expires_at: Some(now.saturating_add(millis(SIGNED_IN))),
        };
        self.0.change_documents(DocumentChanges::new().put(BROWSER, document)?).await.map(drop)
    }

    /// Who has signed in with this cookie.
    pub(crate) async fn signed_in(self, cookie: &SecretText) -> Result<Option<SignedIn>> {
        let Some(session) = self.0.document::<BrowserFacts>(BROWSER, &hash(cookie.expose())).await? else {
            return Ok(None);
        };
        let Some(used) = session.facts.password else { return Ok(Some(SignedIn { person: None })) };
        let now = self.password(&used.id).await?.filter(|now| now.mark == used.mark);
        Ok(now.map(|now| SignedIn { person: now.name }))
    }

    /// Ends the session of a browser. If the future is dropped, it is ended or not.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn sign_out(self, cookie: &SecretText) -> Result<()> {
        let id = hash(cookie.expose());
        let changes = DocumentChanges::new().remove(BROWSER, &id).remove(CHOSEN, &id);
        self.0.change_documents(changes).await.map(drop)
    }

    /// The tenant that this browser chose. It is kept here and not in the browser, where a page of another site might set it.
    pub(crate) async fn chosen_tenant(self, cookie: &SecretText) -> Result<Option<TenantId>> {
        let chosen = self.0.document::<ChosenTenant>(CHOSEN, &hash(cookie.expose())).await?;
        chosen.map(|chosen| chosen.facts.tenant.parse()).transpose()
    }

    /// Keeps what this browser chose; None: nothing.
    pub(crate) async fn choose_tenant(self, cookie: &SecretText, tenant: Option<&TenantId>) -> Result<()> {
        let (id, now) = (hash(cookie.expose()), self.0.clock().now_ms());
        let changes = DocumentChanges::new();
        let changes = match tenant {
            None => changes.remove(CHOSEN, &id),
            Some(tenant) => changes.put(
                CHOSEN,
                Document {
                    id,
                    facts: ChosenTenant { tenant: tenant.as_str().to_owned() },
                    body: None,
                    created_at: now,
                    expires_at: Some(now.saturating_add(millis(SIGNED_IN))),
                },
            )?,
        };
        self.0.change_documents(changes).await.map(drop)
    }

    /// The changes that end all sessions that began with a password.
    pub(super) async fn end_sessions(self, password: &str) -> Result<DocumentChanges> {
        let sessions = self.0.documents::<BrowserFacts>(BROWSER).await?;
        let with = |session: &&Document<BrowserFacts>| {
            session.facts.password.as_ref().map_or(OPERATOR, |used| used.id.as_str()) == password
        };
        let ended = sessions.iter().filter(with);
        Ok(ended.fold(DocumentChanges::new(), |changes, session| changes.remove(BROWSER, &session.id)))
    }
}
