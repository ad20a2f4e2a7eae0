//! A request as the handlers see it, and their notes about it. It contains no rules of endpoints.

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::envelope::Reply;
use crate::log::{Finding, RefreshUse};
use crate::state::State;
use crate::switches::ParamCode;

/// A request with its (small) body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) now_ms: i64,
}

/// Notes of handlers for the log.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) client_key: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) violations: Vec<String>,
    pub(crate) effect: bool,
    pub(crate) refresh: Option<RefreshUse>,
}

impl Notes {
    /// Records a trap that TikTok would accept.
    pub(crate) fn finding(&mut self, rule: &str, text: impl Into<String>) {
        self.findings.push(Finding { rule: rule.to_string(), text: text.into() });
    }
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn query_pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        self.query_pairs().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The type without parameters, lower case.
    pub(crate) fn content_type(&self) -> Option<String> {
        self.header("content-type")
            .map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    pub(crate) fn is_form(&self) -> bool {
        self.content_type().as_deref() == Some("application/x-www-form-urlencoded")
    }

    /// The JSON object in the body; an empty body counts as `{}` where `may_be_empty`.
    pub(crate) fn json(&self, state: &State, may_be_empty: bool) -> Result<Map<String, Value>, Reply> {
        if self.body.is_empty() && may_be_empty {
            return Ok(Map::new());
        }
        match self.content_type().as_deref() {
            Some("application/json") => {}
            other => {
                let text =
                    format!("Content-Type must be application/json, it is {}", other.unwrap_or("absent"));
                return Err(invalid(state, "1.3", text));
            }
        }
        if let Some(charset) = self.header("content-type").and_then(|text| text.split_once("charset=")) {
            let name = charset.1.trim().trim_matches('"');
            if !name.eq_ignore_ascii_case("utf-8") && !name.eq_ignore_ascii_case("utf8") {
                return Err(invalid(state, "1.3", format!("the charset must be UTF-8, it is {name}")));
            }
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(invalid(state, "1.3", "the body must be a JSON object")),
            Err(error) => Err(invalid(state, "1.3", format!("the body is no JSON: {error}"))),
        }
    }
}

/// Bad parameters on a posting endpoint, in the chosen spelling; display endpoints always say `invalid_params`.
pub(crate) fn invalid(state: &State, rule: &str, text: impl Into<String>) -> Reply {
    let code = match state.world.switches.param_code {
        ParamCode::InvalidParams => "invalid_params",
        ParamCode::InvalidParam => "invalid_param",
    };
    Reply::v2(code, rule, text)
}

/// Reads typed members of a JSON object and names the invalid one.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) object: &'a Map<String, Value>,
    pub(crate) name: &'a str,
    pub(crate) state: &'a State,
}

impl<'a> Fields<'a> {
    fn wrong(&self, key: &str, what: &str) -> Reply {
        invalid(self.state, "9.2", format!("{}{key} must be {what}", self.name))
    }

    /// Absent and `null` are the same.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, Reply> {
        self.get(key).map(|value| value.as_str().ok_or_else(|| self.wrong(key, "a string"))).transpose()
    }

    pub(crate) fn bool(&self, key: &str) -> Result<Option<bool>, Reply> {
        self.get(key).map(|value| value.as_bool().ok_or_else(|| self.wrong(key, "a boolean"))).transpose()
    }

    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>, Reply> {
        self.get(key).map(|value| value.as_i64().ok_or_else(|| self.wrong(key, "an integer"))).transpose()
    }

    pub(crate) fn object(&self, key: &str) -> Result<&'a Map<String, Value>, Reply> {
        self.get(key).and_then(Value::as_object).ok_or_else(|| self.wrong(key, "an object"))
    }

    pub(crate) fn unknown(&self, known: &[&str]) -> Vec<&'a str> {
        self.object.keys().map(String::as_str).filter(|key| !known.contains(key)).collect()
    }
}

impl Notes {
    /// With the switch `refuse_findings`, a trap is refused before it has an effect.
    pub(crate) fn refuse_if_asked(&self, state: &State) -> Result<(), Reply> {
        match self.findings.first() {
            Some(finding) if state.world.switches.refuse_findings => {
                Err(invalid(state, &finding.rule, finding.text.clone()))
            }
            _ => Ok(()),
        }
    }
}
