//! The operator's settings. All of them have defaults: Bluesky needs no registration.
//!
//! | name | kind | meaning |
//! | --- | --- | --- |
//! | `service` | url | where accounts sign in; another PDS than Bluesky's needs the grant of its origin, too |
//! | `directory` | url | the PLC directory, which says which server an account lives on |
//! | `client-id` | url | address of the client metadata document; a service on this machine needs none |

use social_channel_provider::{Environment, Error, ErrorKind, Field, Value};

const SERVICE: &str = "https://bsky.social";
const DIRECTORY: &str = "https://plc.directory";

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) service: String,
    pub(crate) directory: String,
    pub(crate) client_id: Option<String>,
}

impl Settings {
    pub(crate) fn read<E: Environment>(environment: &E) -> Result<Self, Error> {
        let address = |name: &str, default: Option<&str>| {
            let text = environment.setting(name)?;
            let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty()).or(default);
            text.map(|text| checked(name, text)).transpose()
        };
        let origin = |name: &str, default: &str| {
            let text = address(name, Some(default))?.unwrap_or_default();
            let text = text.trim_end_matches('/');
            match text.split_once("://") {
                Some((_, host)) if !host.contains(['/', '?', '#']) => Ok(text.to_owned()),
                _ => Err(wrong(name, "has a path; only scheme and host belong there")),
            }
        };
        Ok(Self {
            service: origin("service", SERVICE)?,
            directory: origin("directory", DIRECTORY)?,
            client_id: address("client-id", None)?,
        })
    }
}

fn checked(name: &str, text: &str) -> Result<String, Error> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match host {
        Some(host) if !host.is_empty() && !text.contains(char::is_whitespace) && !host.contains('@') => {
            Ok(text.to_owned())
        }
        _ => Err(wrong(name, "is no https address")),
    }
}

fn wrong(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, format!("The setting `{name}` {what}."))
        .remedy("The operator must correct it under Settings.")
        .field(name)
}

pub(crate) fn describe() -> Vec<Field> {
    let url = |name: &str, label: &str, help: &str, default: Option<&str>| Field {
        help: Some(help.to_owned()),
        default_value: default.map(|text| Value::Text(text.to_owned())),
        ..Field::new(name, label, "url")
    };
    vec![
        url(
            "service",
            "Service",
            "Where accounts sign in. For another server (PDS) than Bluesky's, grant its origin to the app, too.",
            Some(SERVICE),
        ),
        url(
            "directory",
            "Directory",
            "The PLC directory that tells where an account lives.",
            Some(DIRECTORY),
        ),
        url(
            "client-id",
            "Client id",
            "For connecting without app passwords: the https address of your client metadata document; the guide shows \
             its text. A service on this machine needs none.",
            None,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use social_channel_provider::testing::FakeEnvironment;

    #[test]
    fn nothing_needs_to_be_set() {
        let settings = Settings::read(&FakeEnvironment::new()).unwrap();
        assert_eq!((settings.service.as_str(), settings.client_id), (SERVICE, None));
        let own = FakeEnvironment::new().with_setting("service", " https://pds.example.com/ ");
        assert_eq!(Settings::read(&own).unwrap().service, "https://pds.example.com");
    }

    #[test]
    fn what_is_no_address_is_named() {
        for (name, text) in [
            ("service", "bsky.social"),
            ("service", "https://"),
            ("service", "https://a b"),
            ("service", "https://user@pds.test"),
            ("service", "https://pds.test/xrpc"),
            ("directory", "ftp://plc.directory"),
            ("client-id", "me"),
        ] {
            let error = Settings::read(&FakeEnvironment::new().with_setting(name, text)).unwrap_err();
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (ErrorKind::Misconfigured, Some(name)),
                "{text}"
            );
        }
    }
}
