//! Pages of lists: the body is the plain list, the header `Link` names the next page.

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Documented, StatusCode};
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::LINK;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// The default number of entries per page.
const PAGE: u32 = 50;
/// More entries per page would make responses of many megabytes.
pub(super) const MOST: u32 = 500;

/// Checks the limit in a query.
pub(super) fn limit(given: Option<u32>) -> Result<u32, Problem> {
    match given {
        None => Ok(PAGE),
        Some(limit @ 1..=MOST) => Ok(limit),
        Some(_) => Err(Problem::malformed(format!("`limit` is not 1 to {MOST}"))),
    }
}

/// The query of a list.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PageQuery {
    /// The maximum number.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// From the header `Link` of the page before.
    cursor: Option<String>,
}

impl PageQuery {
    /// The limit, and where the page begins. Without a limit it is the highest, because these lists were once whole.
    pub(super) fn checked(self) -> Result<(u32, Option<String>), Problem> {
        Ok((limit(self.limit.or(Some(MOST)))?, self.cursor))
    }

    /// The page of a short list. `key`: unique, in the order of the list.
    pub(super) fn of<T>(
        self,
        mut items: Vec<T>,
        path: &str,
        key: impl Fn(&T) -> String,
    ) -> Result<Page<T>, Problem> {
        let (limit, cursor) = self.checked()?;
        items.sort_by_cached_key(&key);
        if let Some(cursor) = cursor {
            items.retain(|item| key(item) > cursor);
        }
        Ok(Page::cut(items, path, limit, &[], key))
    }
}

/// One page of a list.
pub(super) struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> Page<T> {
    /// The first `limit` of these; another page follows if there are more. `key`: the cursor after an item.
    pub(super) fn cut(
        mut items: Vec<T>,
        path: &str,
        limit: u32,
        query: &[(&str, String)],
        key: impl Fn(&T) -> String,
    ) -> Self {
        let more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let cursor = items.last().filter(|_| more).map(key);
        let mut kept = vec![("limit", limit.to_string())];
        kept.extend_from_slice(query);
        Page::new(items, path, &kept, cursor)
    }

    /// `path` and `query` without the cursor; `cursor` if another page follows.
    fn new(items: Vec<T>, path: &str, query: &[(&str, String)], cursor: Option<String>) -> Self {
        let next = cursor.map(|cursor| {
            let mut out = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in query {
                out.append_pair(name, value);
            }
            out.append_pair("cursor", &cursor);
            format!("{path}?{}", out.finish())
        });
        Page { items, next }
    }
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.items).into_response();
        let link = self.next.and_then(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok());
        if let Some(link) = link {
            response.headers_mut().insert(LINK, link);
        }
        response
    }
}

impl<T: JsonSchema> OperationOutput for Page<T> {
    type Inner = Vec<T>;

    fn operation_response(ctx: &mut GenContext, operation: &mut Operation) -> Option<Documented> {
        <Json<Vec<T>> as OperationOutput>::operation_response(ctx, operation)
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<StatusCode>, Documented)> {
        <Json<Vec<T>> as OperationOutput>::inferred_responses(ctx, operation)
    }
}
