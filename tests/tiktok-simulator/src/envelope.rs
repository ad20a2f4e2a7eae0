//! The three envelopes of contract 1.2, and the reply of every handler. Rendering adds the common parts of
//! each response (`log_id`, trace headers, the reason of a refusal).

use bytes::Bytes;
use serde_json::{Value, json};

use crate::catalogue;
use crate::log::Refusal;
use crate::switches::{FailureData, Switches};

/// The reply of a handler. `Err(Reply)` is a refusal.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) payload: Payload,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) refusal: Option<Box<Refusal>>,
}

#[derive(Clone, Debug)]
pub(crate) enum Payload {
    /// `{"data": ..., "error": {"code": "ok", ...}}`
    Data(Value),
    /// `{"error": {"code": "ok", ...}}`, as cancel answers
    Done,
    /// The v2 failure; `data` says whether the contract's example of the endpoint carries `{}`
    Failure {
        code: &'static str,
        message: String,
        data: bool,
    },
    /// Flat success
    Flat(Value),
    /// Flat failure
    OauthFailure {
        error: &'static str,
        description: String,
    },
    Html(String),
    Bytes {
        content_type: &'static str,
        bytes: Bytes,
    },
    Nothing,
}

impl Reply {
    fn plain(status: u16, payload: Payload) -> Self {
        Self { status, payload, headers: Vec::new(), refusal: None }
    }

    pub(crate) fn data(data: Value) -> Self {
        Self::plain(200, Payload::Data(data))
    }

    pub(crate) fn done() -> Self {
        Self::plain(200, Payload::Done)
    }

    pub(crate) fn flat(body: Value) -> Self {
        Self::plain(200, Payload::Flat(body))
    }

    pub(crate) fn html(status: u16, page: String) -> Self {
        Self::plain(status, Payload::Html(page))
    }

    pub(crate) fn nothing(status: u16) -> Self {
        Self::plain(status, Payload::Nothing)
    }

    pub(crate) fn bytes(content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self::plain(200, Payload::Bytes { content_type, bytes: bytes.into() })
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::bytes("application/json", value.to_string())
    }

    /// A v2 failure with status and default message from the catalogue.
    pub(crate) fn v2(code: &'static str, rule: &str, text: impl Into<String>) -> Self {
        let status = catalogue::status_of(code);
        let message = catalogue::message_of(code).to_string();
        Self::plain(status, Payload::Failure { code, message, data: true }).because(rule, text)
    }

    pub(crate) fn oauth(status: u16, error: &'static str, description: &str, rule: &str, text: &str) -> Self {
        let payload = Payload::OauthFailure { error, description: description.to_string() };
        Self::plain(status, payload).because(rule, text)
    }

    pub(crate) fn refused(status: u16, rule: &str, text: impl Into<String>) -> Self {
        Self::plain(status, Payload::Nothing).because(rule, text)
    }

    pub(crate) fn because(mut self, rule: &str, text: impl Into<String>) -> Self {
        self.refusal = Some(Box::new(Refusal { rule: rule.to_string(), text: text.into() }));
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_message(mut self, text: &str) -> Self {
        if let Payload::Failure { message, .. } = &mut self.payload {
            *message = text.to_string();
        }
        self
    }

    pub(crate) fn without_data(mut self) -> Self {
        if let Payload::Failure { data, .. } = &mut self.payload {
            *data = false;
        }
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The code that a client sees, for the log.
    pub(crate) fn code(&self) -> Option<&str> {
        match &self.payload {
            Payload::Data(_) | Payload::Done => Some("ok"),
            Payload::Failure { code, .. } => Some(code),
            Payload::OauthFailure { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Content type and bytes.
    pub(crate) fn render(&self, log_id: &str, switches: &Switches) -> (Option<&'static str>, Bytes) {
        const JSON: &str = "application/json; charset=utf-8";
        let id = if switches.log_id_as_logid { "logid" } else { "log_id" };
        let ok = json!({"code": "ok", "message": "", (id): log_id});
        let value = match &self.payload {
            Payload::Data(data) => json!({"data": data, "error": ok}),
            Payload::Done => json!({"error": ok}),
            Payload::Failure { code, message, data } => {
                let error = json!({"code": code, "message": message, (id): log_id});
                let data = match (switches.failure_data, data) {
                    (FailureData::Object, _) | (FailureData::AsShown, true) => Some(json!({})),
                    (FailureData::Null, _) => Some(Value::Null),
                    (FailureData::Absent, _) | (FailureData::AsShown, false) => None,
                };
                match data {
                    Some(data) => json!({"data": data, "error": error}),
                    None => json!({"error": error}),
                }
            }
            Payload::Flat(body) => body.clone(),
            Payload::OauthFailure { error, description } => {
                json!({"error": error, "error_description": description, (id): log_id})
            }
            Payload::Html(page) => return (Some("text/html; charset=utf-8"), Bytes::from(page.clone())),
            Payload::Bytes { content_type, bytes } => return (Some(content_type), bytes.clone()),
            Payload::Nothing => return (None, Bytes::new()),
        };
        (Some(JSON), Bytes::from(value.to_string()))
    }
}
