//! Domains whose ownership is proved by DNS: the TXT record that the platform's portal shows, looked up as the
//! platform looks it up.

use std::net::SocketAddr;

use futures::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host as UrlHost, Url};

use super::dns::{Seen, servers, texts};
use super::finding;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Inner;
use crate::model::{Finding, Severity};

/// The subject of these findings.
pub const DOMAIN_RECORD: &str = "domain-record";
/// More than any app has; each is a question to the name servers.
pub(super) const RECORDS: usize = 20;
/// A proof has some hundred bytes.
const VALUE: usize = 1000;
/// Of what others wrote into a zone, no more is shown.
const SHOWN: usize = 200;

/// A TXT record that proves to the platform who owns a domain, as its portal shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainRecord {
    /// The name that has the record, for example `example.com`.
    pub domain: String,
    /// What the record says, for example `site-verification=…`.
    pub value: String,
}

impl DomainRecord {
    /// The domain in its ASCII form, the value without the quotes of a zone file. None: both are empty.
    pub(super) fn checked(self) -> Result<Option<Self>> {
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
                format!("`{domain}` is no domain"),
                "write the name alone, for example example.com",
            )
        })?;
        let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if value.is_empty() || value.len() > VALUE || !value.bytes().all(plain) {
            return Err(wrong(
                "value",
                "the value of the TXT record is empty, too long, or no plain text".to_owned(),
                "copy it from the platform's portal",
            ));
        }
        Ok(Some(DomainRecord { domain: known, value: value.to_owned() }))
    }

    /// What the platform's records begin with, so that another value of the same kind can be told.
    fn key(&self) -> Option<&str> {
        self.value.split_once('=').map(|(key, _)| key).filter(|key| !key.is_empty())
    }
}

/// A name below which hosts lie. People copy addresses as well.
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

impl Inner {
    /// One finding for each record, in their order.
    pub(super) async fn check_domains(&self, records: &[DomainRecord]) -> Vec<Finding> {
        if records.is_empty() {
            return Vec::new();
        }
        match servers(self.dns_server) {
            Ok(servers) => join_all(records.iter().map(|record| check(&servers, record))).await,
            Err(why) => {
                records.iter().map(|record| judge(record, &Seen::Failed(why.clone()), None)).collect()
            }
        }
    }
}

async fn check(servers: &[SocketAddr], record: &DomainRecord) -> Finding {
    let seen = texts(servers, &record.domain).await;
    let is_there = matches!(&seen, Seen::Texts(found) if found.contains(&record.value));
    if !is_there && !matches!(seen, Seen::Failed(_)) {
        for twice in doubled(&record.domain) {
            if matches!(texts(servers, &twice).await, Seen::Texts(found) if found.contains(&record.value)) {
                return judge(record, &seen, Some(&twice));
            }
        }
    }
    judge(record, &seen, None)
}

/// Where a record lies if somebody typed the whole name into an editor that adds the zone's by itself.
fn doubled(domain: &str) -> Vec<String> {
    /// Zones are seldom deeper; each is a question.
    const DEEPEST: usize = 3;
    let dots = domain.match_indices('.').map(|(at, _)| at + 1);
    let zones = std::iter::once(0).chain(dots).filter_map(|at| domain.get(at..));
    let zones = zones.filter(|zone| zone.contains('.')).take(DEEPEST);
    zones.map(|zone| format!("{domain}.{zone}")).collect()
}

fn judge(record: &DomainRecord, seen: &Seen, doubled: Option<&str>) -> Finding {
    let DomainRecord { domain, value } = record;
    let wrong = |message: String, remedy: String| finding(Severity::Error, DOMAIN_RECORD, message, &remedy);
    let add = format!(
        "At the domain's name servers add a TXT record named {domain} (many editors write @ for it) with the value {value}. It may take an hour until everybody sees it."
    );
    if let Some(twice) = doubled {
        return wrong(
            format!("The TXT record lies at {twice}, where nobody looks for it."),
            "The zone's editor adds its domain by itself: leave that out of the record's name, or write @ for the domain alone."
                .to_owned(),
        );
    }
    match seen {
        Seen::Failed(why) => finding(
            Severity::Warning,
            DOMAIN_RECORD,
            format!("The name servers could not be asked about {domain}: {why}."),
            "Check the network and the name servers of this machine, then run the checks again.",
        ),
        Seen::Texts(texts) if texts.contains(value) => {
            finding(Severity::Ok, DOMAIN_RECORD, format!("The TXT record of {domain} is there."), "")
        }
        Seen::NoDomain => wrong(
            format!("There is no domain {domain}."),
            format!("Check how it is spelled, and that the domain is registered. {add}"),
        ),
        Seen::Texts(texts) => {
            let other = record.key().and_then(|key| {
                let begins =
                    |text: &&String| text.strip_prefix(key).is_some_and(|rest| rest.starts_with('='));
                texts.iter().find(begins)
            });
            match (other, texts.len()) {
                (Some(other), _) => {
                    let other: String = other.chars().take(SHOWN).collect();
                    wrong(
                        format!("{domain} has a TXT record of this kind with another value: {other}"),
                        format!(
                            "Add one with the value {value} (both may stand), or enter here what the portal shows now."
                        ),
                    )
                }
                (None, 0) => wrong(format!("{domain} has no TXT record."), add),
                (None, count) => {
                    let (records, them) = if count == 1 {
                        ("1 TXT record", "it is not")
                    } else {
                        ("TXT records", "none of them is")
                    };
                    let count = if count == 1 { String::new() } else { format!("{count} ") };
                    wrong(format!("{domain} has {count}{records}, and {them} this one."), add)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> DomainRecord {
        DomainRecord { domain: "northwind.app".to_owned(), value: "site-verification=abc".to_owned() }
    }

    #[test]
    fn what_the_zone_says_is_told_apart() {
        let texts = |texts: &[&str]| Seen::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
        for (seen, doubled, severity, says) in [
            (texts(&["v=spf1 -all", "site-verification=abc"]), None, Severity::Ok, "is there"),
            (texts(&[]), None, Severity::Error, "has no TXT record"),
            (texts(&["v=spf1 -all"]), None, Severity::Error, "1 TXT record, and it is not this one"),
            (texts(&["a", "b"]), None, Severity::Error, "2 TXT records, and none of them is this one"),
            (
                texts(&["site-verification=xyz"]),
                None,
                Severity::Error,
                "another value: site-verification=xyz",
            ),
            (texts(&["site-verification-old=abc"]), None, Severity::Error, "it is not this one"),
            (texts(&[]), Some("northwind.app.northwind.app"), Severity::Error, "northwind.app.northwind.app"),
            (Seen::NoDomain, None, Severity::Error, "no domain northwind.app"),
            (Seen::Failed("refused".to_owned()), None, Severity::Warning, "refused"),
        ] {
            let found = judge(&record(), &seen, doubled);
            assert_eq!(found.severity, severity, "{seen:?}: {found:?}");
            assert!(found.message.contains(says), "{seen:?}: {found:?}");
            assert_eq!(found.remedy.is_some(), severity != Severity::Ok, "{found:?}");
        }
        let remedy = judge(&record(), &texts(&[]), None).remedy.unwrap();
        assert!(remedy.contains("northwind.app") && remedy.contains("site-verification=abc"), "{remedy}");
    }

    #[test]
    fn a_record_is_looked_for_where_editors_put_it() {
        assert_eq!(doubled("a.app"), ["a.app.a.app"]);
        assert_eq!(doubled("cdn.a.app"), ["cdn.a.app.cdn.a.app", "cdn.a.app.a.app"]);
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
