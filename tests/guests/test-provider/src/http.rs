//! A minimal HTTP client that exposes every byte and every error code to a test.

use wit_bindgen::{StreamReader, StreamResult};

use crate::bindings::wasi::http::client;
use crate::bindings::wasi::http::types::{Fields, Method, Request, RequestOptions, Response, Scheme};
use crate::bindings::wit_stream;
use crate::ended;

pub(crate) enum Body {
    None,
    Bytes(Vec<u8>),
    /// Passed on unchanged.
    Stream(StreamReader<u8>),
    /// Read into guest memory and written again, like a provider that adds framing.
    Copied(StreamReader<u8>),
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(crate) async fn get(url: &str) -> Result<Answer, String> {
    send("GET", url, &[], Body::None, None).await
}

pub(crate) async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Body,
    first_byte_timeout: Option<u64>,
) -> Result<Answer, String> {
    let (scheme, rest) = url.split_once("://").unwrap();
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).map_err(|error| format!("header {name}: {error:?}"))?;
    }
    let contents = match body {
        Body::None => None,
        Body::Bytes(bytes) => {
            let (mut writer, reader) = wit_stream::new();
            wit_bindgen::spawn_local(async move {
                writer.write_all(bytes).await;
            });
            Some(reader)
        }
        Body::Stream(stream) => Some(stream),
        Body::Copied(mut stream) => {
            let (mut writer, reader) = wit_stream::new();
            wit_bindgen::spawn_local(async move {
                loop {
                    let (result, bytes) = stream.read(Vec::with_capacity(64 << 10)).await;
                    if !writer.write_all(bytes).await.is_empty()
                        || !matches!(result, StreamResult::Complete(_))
                    {
                        break;
                    }
                }
            });
            Some(reader)
        }
    };
    let options = first_byte_timeout.map(|timeout| {
        let options = RequestOptions::new();
        options.set_first_byte_timeout(Some(timeout)).unwrap();
        options
    });
    let (request, _sent) = Request::new(fields, contents, ended(|| Ok(None)), options);
    request.set_method(&Method::Other(method.to_owned())).unwrap();
    request.set_scheme(Some(&if scheme == "https" { Scheme::Https } else { Scheme::Http })).unwrap();
    request.set_authority(Some(authority)).map_err(|()| format!("authority {authority}"))?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).unwrap();
    let response = client::send(request).await.map_err(|code| format!("{code:?}"))?;
    let status = response.get_status_code();
    let (mut stream, end) = Response::consume_body(response, ended(|| Ok(())));
    let mut body = Vec::new();
    loop {
        let (result, bytes) = stream.read(Vec::with_capacity(16 << 10)).await;
        body.extend_from_slice(&bytes);
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    drop(stream);
    end.await.map_err(|code| format!("{code:?}"))?;
    Ok(Answer { status, body })
}
