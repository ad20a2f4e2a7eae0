//! What a platform's portal says about an app: the addresses and the picture that reviewers look at, and the records
//! that prove who owns a domain. This module stores it and checks its form; `diagnosis` checks whether it is true.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use social_channel_runtime::error::{Error, ErrorKind, Result};
use url::{Host as UrlHost, Url};

/// More than any app needs; each costs a DNS query.
const RECORDS: usize = 20;
/// Verification values are some hundred bytes long.
const VALUE: usize = 1000;
/// What the portal says about an app. The host only checks it: each address must be publicly accessible, each
/// record must be in the zone of its domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Listing {
    /// The product's own page.
    pub website_url: Option<String>,
    /// Its privacy policy.
    pub privacy_url: Option<String>,
    /// Its terms of service.
    pub terms_url: Option<String>,
    /// Its picture.
    pub icon_url: Option<String>,
    /// TXT records that prove who owns a domain, if the portal requires them.
    pub domain_records: Vec<DomainRecord>,
}

impl Listing {
    /// The addresses with their names.
    pub(crate) fn addresses(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("website-url", self.website_url.as_deref()),
            ("privacy-url", self.privacy_url.as_deref()),
            ("terms-url", self.terms_url.as_deref()),
            ("icon-url", self.icon_url.as_deref()),
        ]
    }

    /// Empty text removes an address or a record; any other text must be valid.
    pub(crate) fn checked(mut self) -> Result<Self> {
        for (name, url) in [
            ("website_url", &mut self.website_url),
            ("privacy_url", &mut self.privacy_url),
            ("terms_url", &mut self.terms_url),
            ("icon_url", &mut self.icon_url),
        ] {
            *url = url.take().map(|url| url.trim().to_owned()).filter(|url| !url.is_empty());
            let good = url.as_deref().is_none_or(|url| {
                url.len() <= 2000 && Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
            });
            if !good {
                return Err(Error::new(ErrorKind::InvalidRequest, format!("{name} is not an address"))
                    .with_field(name)
                    .with_remedy("write it with its scheme: https://…"));
            }
        }
        let mut records = Vec::new();
        for record in self.domain_records {
            match record.checked()? {
                Some(record) if !records.contains(&record) => records.push(record),
                _ => {}
            }
        }
        if records.len() > RECORDS {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("an app has at most {RECORDS} domain records"),
            )
            .with_field("domain_records")
            .with_remedy("remove those that the portal no longer shows"));
        }
        self.domain_records = records;
        Ok(self)
    }
}

/// A TXT record that proves to the platform who owns a domain, as its portal shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainRecord {
    /// The name that has the record, for example `example.com`.
    pub domain: String,
    /// The record's value, for example `site-verification=…`.
    pub value: String,
}

impl DomainRecord {
    /// The domain in ASCII form, and the value without the quotes of a zone file. None if both are empty.
    fn checked(self) -> Result<Option<Self>> {
        let (domain, value) = (self.domain.trim(), self.value.trim());
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        if domain.is_empty() && value.is_empty() {
            return Ok(None);
        }
        let wrong = |field: &str, message: String, remedy: &str| {
            Error::new(ErrorKind::InvalidRequest, message).with_field(field).with_remedy(remedy)
        };
        let known = domain_of(domain).ok_or_else(|| {
            wrong(
                "domain",
                format!("`{domain}` is not a domain"),
                "write only the name, for example example.com",
            )
        })?;
        let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if value.is_empty() || value.len() > VALUE || !value.bytes().all(plain) {
            return Err(wrong(
                "value",
                "the value of the TXT record is empty, too long, or not plain text".to_owned(),
                "copy it from the platform's portal",
            ));
        }
        Ok(Some(DomainRecord { domain: known, value: value.to_owned() }))
    }

    /// The common prefix of the platform's records, to recognise another value of the same kind.
    pub(crate) fn key(&self) -> Option<&str> {
        self.value.split_once('=').map(|(key, _)| key).filter(|key| !key.is_empty())
    }
}

/// The domain name in `text`; a URL is accepted too, because people paste URLs.
fn domain_of(text: &str) -> Option<String> {
    let name = match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "https" | "http") => url.host_str()?.to_owned(),
        _ => text.to_owned(),
    };
    let UrlHost::Domain(name) = UrlHost::parse(name.trim_end_matches('.')).ok()? else { return None };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    (name.contains('.') && name.len() <= 253 && name.split('.').all(label)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> DomainRecord {
        DomainRecord { domain: "northwind.app".to_owned(), value: "site-verification=abc".to_owned() }
    }

    #[test]
    fn a_record_is_taken_as_people_copy_it() {
        let read = |domain: &str, value: &str| {
            DomainRecord { domain: domain.to_owned(), value: value.to_owned() }.checked()
        };
        for domain in ["northwind.app", " Northwind.App. ", "https://northwind.app/privacy"] {
            assert_eq!(read(domain, "\"site-verification=abc\"").unwrap(), Some(record()), "{domain}");
        }
        assert_eq!(read("bücher.example", "a=b").unwrap().unwrap().domain, "xn--bcher-kva.example");
        assert_eq!(read(" ", "").unwrap(), None);
        for (domain, value, field) in [
            ("127.0.0.1", "a=b", "domain"),
            ("[::1]", "a=b", "domain"),
            ("localhost", "a=b", "domain"),
            ("a b.example", "a=b", "domain"),
            ("", "a=b", "domain"),
            ("northwind.app", "", "value"),
            ("northwind.app", "a\nb", "value"),
        ] {
            let error = read(domain, value).unwrap_err();
            assert_eq!(
                (error.kind, error.field.as_deref()),
                (ErrorKind::InvalidRequest, Some(field)),
                "{domain}"
            );
            assert!(error.remedy.is_some());
        }
    }
}
