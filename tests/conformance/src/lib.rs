//! A small network: the few calls of the AT Protocol that the providers of the tests use, strict about their form.
//!
//! It is no Bluesky: it knows one account, `alice.test`, whose password is [`PASSWORD`], and its texts. Access tokens end
//! when they are replaced. `GET /_network/records` has all records, for counting.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// The account's name.
pub const HANDLE: &str = "alice.test";
/// Its password.
pub const PASSWORD: &str = "app-password-0001";
const DID: &str = "did:plc:alice000000000000000000";
const COLLECTION: &str = "app.bsky.feed.post";
/// Records that are there from the beginning.
const OLD: usize = 5;
/// Code points of a text; the real limit counts graphemes.
const LONGEST: usize = 300;

struct World {
    /// Keys and records, oldest first.
    records: Vec<(String, Value)>,
    /// The number of the tokens that hold now.
    generation: u32,
    made: u32,
}

type Shared = Arc<Mutex<World>>;
type Answer = Result<Value, (StatusCode, &'static str, &'static str)>;

/// A running network. It ends with the runtime.
#[derive(Debug)]
pub struct Network {
    /// Scheme, host and port.
    pub origin: String,
}

impl Network {
    /// Starts it, on a free port of this machine.
    ///
    /// # Errors
    /// If there is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let old = (0..OLD).map(|number| (format!("old{number}"), post(&format!("Old post {number}"))));
        let world = World { records: old.collect(), generation: 0, made: 0 };
        let router = Router::new()
            .route("/xrpc/{name}", any(call))
            .route("/_network/records", get(records))
            .with_state(Arc::new(Mutex::new(world)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Network { origin })
    }

    /// What it says about itself when it is ready.
    pub fn description(&self) -> String {
        let origins = ["https://api.wrong.example", "https://bsky.social", "https://public.api.bsky.app"];
        let mappings = origins.map(|from| json!({"from": from, "to": self.origin}));
        json!({"origin": self.origin, "connect_to": mappings}).to_string()
    }
}

fn post(text: &str) -> Value {
    json!({"$type": COLLECTION, "text": text, "createdAt": "2026-01-01T00:00:00Z"})
}

fn locked(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn records(State(world): State<Shared>) -> Response {
    let records: Vec<Value> = locked(&world).records.iter().map(|(_, record)| record.clone()).collect();
    axum::Json(json!({ "records": records })).into_response()
}

fn refused(message: &'static str) -> (StatusCode, &'static str, &'static str) {
    (StatusCode::BAD_REQUEST, "InvalidRequest", message)
}

async fn call(
    State(world): State<Shared>,
    Path(name): Path<String>,
    method: Method,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let token = header("authorization").and_then(|it| it.strip_prefix("Bearer "));
    let reads = name.contains(".get") || name.contains(".list");
    let answer = if reads != (method == Method::GET) {
        Err(refused("Incorrect HTTP method"))
    } else if reads || name.ends_with(".refreshSession") || name.ends_with(".deleteSession") {
        if body.is_empty() {
            reply(&world, &name, token, &query, &Map::new())
        } else {
            Err(refused("No body"))
        }
    } else if header("content-type").and_then(|it| it.split(';').next()) != Some("application/json") {
        Err(refused("Wrong request encoding (Content-Type)"))
    } else {
        match serde_json::from_slice::<Map<String, Value>>(&body) {
            Ok(body) => reply(&world, &name, token, &query, &body),
            Err(_) => Err(refused("Input must be an object")),
        }
    };
    match answer {
        Ok(value) => axum::Json(value).into_response(),
        Err((status, error, message)) => {
            (status, axum::Json(json!({"error": error, "message": message}))).into_response()
        }
    }
}

fn reply(
    world: &Shared,
    name: &str,
    token: Option<&str>,
    query: &[(String, String)],
    body: &Map<String, Value>,
) -> Answer {
    let mut world = locked(world);
    let asked = |name: &str| query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let of_alice = |who: Option<&str>| match who {
        Some(DID | HANDLE) => Ok(()),
        _ => Err(refused("Profile not found")),
    };
    match name {
        "com.atproto.server.createSession" => {
            if (text("identifier"), text("password")) != (Some(HANDLE), Some(PASSWORD)) {
                let message = "Invalid identifier or password";
                return Err((StatusCode::UNAUTHORIZED, "AuthenticationRequired", message));
            }
            Ok(world.session())
        }
        "com.atproto.server.refreshSession" => {
            world.knows(token, "refresh")?;
            Ok(world.session())
        }
        "com.atproto.server.deleteSession" => {
            world.knows(token, "refresh")?;
            world.generation += 1;
            Ok(json!({}))
        }
        "app.bsky.actor.getProfile" => {
            of_alice(asked("actor"))?;
            // Public, but a token that is sent must hold.
            if token.is_some() {
                world.knows(token, "access")?;
            }
            let posts = world.records.len();
            Ok(json!({"did": DID, "handle": HANDLE, "displayName": "Alice", "postsCount": posts}))
        }
        "com.atproto.repo.putRecord" | "com.atproto.repo.createRecord" => {
            world.knows(token, "access")?;
            of_alice(text("repo"))?;
            let key = match (name.ends_with("putRecord"), text("rkey")) {
                (true, Some(key)) if is_key(key) => key.to_owned(),
                (true, _) => return Err(refused("Input must have a valid rkey")),
                (false, Some(_)) => return Err(refused("createRecord takes no rkey here")),
                (false, None) => format!("made{}", world.made),
            };
            let record = body.get("record").filter(|record| is_post(record));
            if text("collection") != Some(COLLECTION) {
                return Err(refused("Unknown collection"));
            }
            let record = record.ok_or_else(|| refused("Invalid app.bsky.feed.post record"))?.clone();
            world.made += 1;
            match world.records.iter_mut().find(|(own, _)| *own == key) {
                Some((_, old)) => *old = record,
                None => world.records.push((key.clone(), record)),
            }
            Ok(json!({"uri": uri(&key), "cid": "bafyreib", "validationStatus": "valid"}))
        }
        "com.atproto.repo.deleteRecord" => {
            world.knows(token, "access")?;
            of_alice(text("repo"))?;
            world.records.retain(|(key, _)| Some(key.as_str()) != text("rkey"));
            Ok(json!({}))
        }
        "com.atproto.repo.listRecords" => {
            of_alice(asked("repo"))?;
            let limit = match asked("limit").map(str::parse::<usize>) {
                None => 50,
                Some(Ok(limit @ 1..=100)) => limit,
                Some(_) => return Err(refused("limit must be from 1 to 100")),
            };
            let newest = world.records.iter().rev();
            let after = asked("cursor");
            let mut rest = newest.skip_while(|(key, _)| after.is_some_and(|after| after != key.as_str()));
            if after.is_some() {
                rest.next();
            }
            let page: Vec<_> = rest.by_ref().take(limit).collect();
            let more = rest.next().is_some();
            let records: Vec<Value> = page
                .iter()
                .map(|(key, value)| json!({"uri": uri(key), "cid": "bafyreib", "value": value}))
                .collect();
            let mut answer = json!({ "records": records });
            if let (true, Some((key, _)), Some(answer)) = (more, page.last(), answer.as_object_mut()) {
                answer.insert("cursor".to_owned(), json!(key));
            }
            Ok(answer)
        }
        _ => Err((StatusCode::NOT_IMPLEMENTED, "MethodNotImplemented", "Method Not Implemented")),
    }
}

fn uri(key: &str) -> String {
    format!("at://{DID}/{COLLECTION}/{key}")
}

fn is_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:~-".contains(&byte);
    (1..=512).contains(&key.len()) && key.bytes().all(allowed)
}

fn is_post(record: &Value) -> bool {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    text("$type") == Some(COLLECTION)
        && text("createdAt").is_some_and(|at| at.len() >= 20 && at.ends_with('Z'))
        && text("text").is_some_and(|text| text.chars().count() <= LONGEST)
}

impl World {
    fn session(&mut self) -> Value {
        self.generation += 1;
        let token = |kind: &str| format!("{kind}-token-of-generation-{:04}", self.generation);
        json!({"did": DID, "handle": HANDLE, "accessJwt": token("access"), "refreshJwt": token("refresh")})
    }

    fn knows(&self, token: Option<&str>, kind: &str) -> Result<(), (StatusCode, &'static str, &'static str)> {
        let Some(token) = token else {
            return Err((StatusCode::UNAUTHORIZED, "AuthMissing", "Authentication Required"));
        };
        let number = token.strip_prefix(kind).and_then(|rest| rest.strip_prefix("-token-of-generation-"));
        match number.and_then(|number| number.parse::<u32>().ok()) {
            Some(number) if number == self.generation => Ok(()),
            Some(_) => Err((StatusCode::BAD_REQUEST, "ExpiredToken", "Token has expired")),
            None => Err((StatusCode::BAD_REQUEST, "InvalidToken", "Token could not be verified")),
        }
    }
}
