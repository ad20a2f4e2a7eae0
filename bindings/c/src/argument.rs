//! Input arguments: pointers are converted to values or refused.

use std::ffi::{CStr, c_char};

use serde::de::DeserializeOwned;
use social_channel::{Database, Error, ErrorKind, HostConfig, Result, TenantId};

/// A bad argument, by its name in the header.
pub(crate) fn invalid(name: &str, code: &str, what: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("`{name}` {what}")).with_code(code).with_field(name)
}

pub(crate) fn null(name: &str) -> Error {
    invalid(name, "null_pointer", "is NULL")
}

/// Text that may be absent.
///
/// `text` is NULL or ends with a NUL, as the header demands; the result must not outlive the call.
pub(crate) unsafe fn optional<'a>(name: &str, text: *const c_char) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the caller promised a NUL at its end and that it stays for the call.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| invalid(name, "invalid_utf8", "is not UTF-8"))
}

/// Required text. Otherwise like [`optional`].
pub(crate) unsafe fn required<'a>(name: &str, text: *const c_char) -> Result<&'a str> {
    // SAFETY: passed on.
    unsafe { optional(name, text) }?.ok_or_else(|| null(name))
}

/// Bytes. NULL is allowed if the length is 0.
///
/// `bytes` points to `length` bytes, as the header demands; the result must not outlive the call.
pub(crate) unsafe fn bytes<'a>(name: &str, bytes: *const u8, length: usize) -> Result<&'a [u8]> {
    if length == 0 {
        return Ok(&[]);
    }
    if bytes.is_null() {
        return Err(null(name));
    }
    if isize::try_from(length).is_err() {
        return Err(invalid(name, "too_long", "is longer than memory can be"));
    }
    // SAFETY: not NULL, not longer than an object can be, and the caller promised that many bytes.
    Ok(unsafe { std::slice::from_raw_parts(bytes, length) })
}

/// The tenant; NULL is the default tenant.
pub(crate) unsafe fn tenant(text: *const c_char) -> Result<TenantId> {
    // SAFETY: passed on.
    match unsafe { optional("tenant", text) }? {
        None => Ok(TenantId::default()),
        Some(text) => text.parse(),
    }
}

/// A JSON document.
pub(crate) unsafe fn document<T: DeserializeOwned>(name: &str, text: *const c_char) -> Result<T> {
    // SAFETY: passed on.
    parse(name, unsafe { required(name, text) }?)
}

/// An optional JSON document; if absent, the empty object.
pub(crate) unsafe fn optional_document<T: DeserializeOwned>(name: &str, text: *const c_char) -> Result<T> {
    // SAFETY: passed on.
    parse(name, unsafe { optional(name, text) }?.unwrap_or("{}"))
}

pub(crate) fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        invalid(
            name,
            "malformed_json",
            &format!("is not the JSON that this function expects: {}", said(&error)),
        )
        .with_remedy("compare it with the schema that the header names for it")
    })
}

/// Refuses relative paths in a configuration, because they depend on the working directory: under a web server that is
/// the folder of the page, where the master key would be served.
pub(crate) fn whole_paths(config: &HostConfig) -> Result<()> {
    let paths = [
        ("data", config.data.as_deref()),
        ("database", config.database.as_ref().and_then(Database::path)),
        ("cache", config.cache.as_deref()),
        ("key_file", config.key_file.as_deref()),
        ("media_folder", config.media_folder.as_deref()),
    ];
    for (name, path) in paths {
        let Some(path) = path.filter(|path| !path.is_absolute()) else { continue };
        let what = if path.as_os_str().is_empty() {
            "is empty".to_owned()
        } else {
            format!("is the relative path {}", path.display())
        };
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("`{name}` {what}: it would depend on the working directory of the program"),
        )
        .with_code("relative_path")
        .with_field(name)
        .with_remedy(format!(
            "give the absolute path, such as /var/lib/shop/social-channel, or omit `{name}` if it is not needed"
        )));
    }
    Ok(())
}

/// Describes the error's position and type, but never the value, which may be a misplaced secret.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let repeats = ["invalid type: ", "invalid value: ", "unknown variant "];
    match repeats.into_iter().find_map(|start| text.split_once(start)) {
        Some((_, rest)) => match rest.rsplit_once("expected ") {
            Some((_, expected)) => format!("expected {expected}"),
            None => format!("a wrong value at line {} column {}", error.line(), error.column()),
        },
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use social_channel::AppConfig;

    use super::*;

    #[test]
    fn a_path_that_depends_on_where_the_program_runs_is_refused() {
        for name in ["data", "database", "cache", "key_file", "media_folder"] {
            for path in ["", ".", "data", "./data", "../data"] {
                let config = parse(name, &serde_json::json!({ name: path }).to_string()).unwrap();
                let error = whole_paths(&config).unwrap_err();
                assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::InvalidRequest, Some(name)));
            }
            let config = parse(name, &serde_json::json!({ name: "/srv/data" }).to_string()).unwrap();
            whole_paths(&config).unwrap();
        }
    }

    #[test]
    fn a_value_in_the_wrong_place_is_not_repeated() {
        let error = parse::<AppConfig>("config", r#"{"settings": "my-secret, expected x"}"#).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert_eq!(error.code.as_deref(), Some("malformed_json"));
        assert!(error.message.contains("expected a map"), "{error}");
        assert!(!error.message.contains("secret"), "{error}");
        let error = parse::<AppConfig>("config", r#"{"setings": {}}"#).unwrap_err();
        assert!(error.message.contains("setings"), "{error}");
    }
}
