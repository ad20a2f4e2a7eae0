//! What was found: one verdict for each rule, as text, JSON and JUnit.

use std::fmt::Write as _;

use serde::Serialize;

use crate::rule::{RULES, Rule};

/// What is said about one rule at most: a provider that breaks it breaks it in every call.
const EXAMPLES: usize = 5;

/// The verdict about one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was judged, and holds.
    Holds,
    /// It does not hold: what was seen.
    Broken(Vec<String>),
    /// It could not be judged, and why.
    NotChecked(String),
}

/// One line of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// What was found.
    pub verdict: Verdict,
}

/// What was found about a provider.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name and version; None if it could not be loaded.
    pub provider: Option<String>,
    /// Every rule, in order.
    pub rules: Vec<Line>,
    /// How many publishes were interrupted to see what comes of it.
    pub interruptions: usize,
}

impl Report {
    pub(crate) fn new(interruptions: usize) -> Self {
        let rules = RULES
            .iter()
            .map(|rule| Line { rule: *rule, verdict: Verdict::NotChecked("nothing led there".to_owned()) });
        Report { provider: None, rules: rules.collect(), interruptions }
    }

    /// The verdict about a rule.
    #[must_use]
    pub fn verdict(&self, id: &str) -> Option<&Verdict> {
        self.rules.iter().find(|line| line.rule.id == id).map(|line| &line.verdict)
    }

    /// The ids of the rules that do not hold.
    #[must_use]
    pub fn broken(&self) -> Vec<&'static str> {
        let broken = self.rules.iter().filter(|line| matches!(line.verdict, Verdict::Broken(_)));
        broken.map(|line| line.rule.id).collect()
    }

    /// Whether no rule was broken.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.broken().is_empty()
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut Verdict)) {
        if let Some(line) = self.rules.iter_mut().find(|line| line.rule.id == id) {
            change(&mut line.verdict);
        }
    }

    /// A rule was judged and holds so far.
    pub(crate) fn judged(&mut self, id: &str) {
        self.change(id, |verdict| {
            if matches!(verdict, Verdict::NotChecked(_)) {
                *verdict = Verdict::Holds;
            }
        });
    }

    /// A rule does not hold.
    pub(crate) fn broke(&mut self, id: &str, seen: impl Into<String>) {
        let seen = seen.into();
        self.change(id, |verdict| match verdict {
            Verdict::Broken(all) if all.contains(&seen) || all.len() >= EXAMPLES => {}
            Verdict::Broken(all) => all.push(seen),
            _ => *verdict = Verdict::Broken(vec![seen]),
        });
    }

    /// Rules that were not judged have this reason.
    pub(crate) fn not_checked(&mut self, judge: impl Fn(&Rule) -> bool, why: &str) {
        for line in self.rules.iter_mut().filter(|line| judge(&line.rule)) {
            if let Verdict::NotChecked(reason) = &mut line.verdict {
                why.clone_into(reason);
            }
        }
    }

    /// For a terminal: one line a rule, and what to do about those that do not hold.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let provider = self.provider.as_deref().unwrap_or("the provider");
        let width = self.rules.iter().map(|line| line.rule.id.len()).max().unwrap_or_default();
        for Line { rule, verdict } in &self.rules {
            let (word, rest) = match verdict {
                Verdict::Holds => ("holds", rule.holds.to_owned()),
                Verdict::Broken(_) => ("BROKEN", rule.holds.to_owned()),
                Verdict::NotChecked(why) => ("not checked", why.clone()),
            };
            let _ = writeln!(text, "{word:11}  {:width$}  {rest}", rule.id);
            if let Verdict::Broken(seen) = verdict {
                for seen in seen {
                    let _ = writeln!(text, "{:11}    seen: {seen}", "");
                }
                let _ = writeln!(text, "{:11}    do: {}", "", rule.advice);
            }
        }
        let count = |wanted: fn(&Verdict) -> bool| self.rules.iter().filter(|it| wanted(&it.verdict)).count();
        let holds = count(|it| matches!(it, Verdict::Holds));
        let broken = count(|it| matches!(it, Verdict::Broken(_)));
        let unchecked = count(|it| matches!(it, Verdict::NotChecked(_)));
        let _ = write!(
            text,
            "{provider}: {holds} rules hold, {broken} broken, {unchecked} not checked; {} publishes were interrupted",
            self.interruptions
        );
        text
    }

    /// As a JUnit document, which systems that build software read.
    #[must_use]
    pub fn junit(&self) -> String {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let skipped = self.rules.iter().filter(|it| matches!(it.verdict, Verdict::NotChecked(_))).count();
        let _ = writeln!(
            text,
            "<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{skipped}\">",
            escaped(self.provider.as_deref().unwrap_or("provider")),
            self.rules.len(),
            self.broken().len()
        );
        for Line { rule, verdict } in &self.rules {
            let open = format!("  <testcase classname=\"conformance\" name=\"{}\"", escaped(rule.id));
            let _ = match verdict {
                Verdict::Holds => writeln!(text, "{open}/>"),
                Verdict::NotChecked(why) => {
                    writeln!(text, "{open}><skipped message=\"{}\"/></testcase>", escaped(why))
                }
                Verdict::Broken(seen) => writeln!(
                    text,
                    "{open}><failure message=\"{}\">{}\n{}</failure></testcase>",
                    escaped(rule.holds),
                    escaped(&seen.join("\n")),
                    escaped(rule.advice)
                ),
            };
        }
        text + "</testsuite>\n"
    }
}

/// Text inside an XML document; what XML cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(character),
            it if it.is_control() => {}
            it => safe.push(it),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_line_and_an_id_of_its_own() {
        let report = Report::new(0);
        assert_eq!(report.rules.len(), RULES.len());
        let mut ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
    }

    #[test]
    fn what_is_broken_stays_broken() {
        let mut report = Report::new(0);
        report.judged("loads");
        report.broke("loads", "a <trap> & \"more\"");
        report.judged("loads");
        assert_eq!(report.broken(), ["loads"]);
        assert!(!report.passed());
        assert!(report.text().contains("BROKEN"));
        assert!(report.junit().contains("a &lt;trap&gt; &amp; &quot;more&quot;"), "{}", report.junit());
        assert_eq!(
            serde_json::to_value(&report).unwrap()["rules"][0]["verdict"]["broken"][0],
            "a <trap> & \"more\""
        );
    }

    #[test]
    fn examples_are_few() {
        let mut report = Report::new(0);
        for number in 0..100 {
            report.broke("loads", format!("{number}"));
        }
        assert!(matches!(report.verdict("loads"), Some(Verdict::Broken(all)) if all.len() == EXAMPLES));
    }
}
