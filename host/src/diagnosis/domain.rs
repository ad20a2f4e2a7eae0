//! Domains whose ownership is proved by DNS: the TXT record that the platform's portal shows, looked up as the
//! platform looks it up.

use std::net::SocketAddr;

use futures::future::join_all;
use social_channel_runtime::model::{Finding, Severity};

use super::dns::{Seen, servers, texts};
use super::{Diagnosis, finding};
use crate::app::DomainRecord;

/// The subject of these findings.
pub const DOMAIN_RECORD: &str = "domain-record";
/// The most characters shown of text from a zone.
const SHOWN: usize = 200;

impl Diagnosis {
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

/// Where a record ends up if the full name is entered in an editor that appends the zone automatically.
fn doubled(domain: &str) -> Vec<String> {
    /// Zones are rarely deeper, and each level costs a query.
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
        "At the domain's name servers add a TXT record named {domain} (many editors write @ for it) with the value {value}. It may take an hour until the record is visible everywhere."
    );
    if let Some(twice) = doubled {
        return wrong(
            format!("The TXT record is at {twice}, where the platform does not look for it."),
            "The zone editor appends the domain automatically: leave it out of the record's name, or write @ for the domain itself."
                .to_owned(),
        );
    }
    match seen {
        Seen::Failed(why) => finding(
            Severity::Warning,
            DOMAIN_RECORD,
            format!("The name servers could not be queried for {domain}: {why}."),
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
                            "Add one with the value {value} (both may exist), or enter here what the portal shows now."
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
}
