//! Checks the result against the simulator's records.

use std::collections::BTreeMap;

use social_channel::{Job, JobStatus};
use tiktok_simulator::{Exchange, Inspection, PublishState, Simulator};

/// The result of a run.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The number of jobs by final status.
    pub ends: BTreeMap<String, usize>,
    /// The errors of jobs that were not published.
    pub reasons: BTreeMap<String, usize>,
    /// Requests that the platform saw.
    pub requests: usize,
    /// How many of these were affected by a fault.
    pub disturbed: usize,
    /// Uses of refresh tokens.
    pub refreshes: usize,
    /// How many of these tokens had already been replaced, after a lost response or a kill.
    pub second_uses: usize,
    /// A summary of the disturbances.
    pub course: String,
    /// Violations. Empty: everything was correct.
    pub faults: Vec<String>,
}

/// All requests, including those that the simulator no longer keeps.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) requests: usize,
    /// Requests that were disturbed by a fault.
    pub(crate) disturbed: usize,
    past_limits: Vec<Exchange>,
    refreshes: Vec<Exchange>,
}

impl Log {
    /// Returns how many requests are new.
    pub(crate) fn harvest(&mut self, simulator: &Simulator) -> usize {
        let before = self.requests;
        for exchange in simulator.take_log() {
            self.requests += 1;
            self.disturbed += usize::from(exchange.fault.is_some());
            let refused_limit = exchange
                .refusal
                .as_ref()
                .is_some_and(|refusal| refusal.rule.contains("1.5") || refusal.rule.contains("13.3"));
            if exchange.refresh.is_some() {
                self.refreshes.push(exchange);
            } else if refused_limit && exchange.fault.is_none() {
                self.past_limits.push(exchange);
            }
        }
        self.requests - before
    }
}

/// A process that was killed while it refreshed an account: from the request to the database.
#[derive(Debug)]
pub(crate) struct KilledRefresh {
    pub(crate) account: String,
    /// By the simulator's clock.
    pub(crate) at_ms: i64,
}

/// The uses of refresh tokens.
#[derive(Debug, Default)]
struct Refreshes {
    /// Used after they had been replaced.
    second_uses: usize,
    /// Those without a valid reason.
    wrong: Vec<String>,
}

/// A replaced token may be used again only if the replacement is unknown: the response to its last use was lost,
/// or the process that waited for it was killed before it had stored it.
fn refreshes(log: &Log, killed: &[KilledRefresh]) -> Refreshes {
    let mut uses: BTreeMap<&str, Vec<&Exchange>> = BTreeMap::new();
    for exchange in &log.refreshes {
        if let Some(refresh) = &exchange.refresh {
            uses.entry(&refresh.fingerprint).or_default().push(exchange);
        }
    }
    let mut found = Refreshes::default();
    for uses in uses.values_mut() {
        uses.sort_by_key(|exchange| exchange.number);
        for pair in uses.windows(2) {
            let [before, again] = pair else { continue };
            if !again.refresh.as_ref().is_some_and(|refresh| refresh.was_rotated) {
                continue;
            }
            found.second_uses += 1;
            let was_killed = killed.iter().any(|kill| {
                again.account.as_ref() == Some(&kill.account)
                    && (before.time_ms..=again.time_ms).contains(&kill.at_ms)
            });
            if !answer_was_lost(before) && !was_killed {
                found.wrong.push(format!("a refresh token was used twice: {before:?}, then {again:?}"));
            }
        }
    }
    found
}

/// The response was truncated, or replaced with another one.
fn answer_was_lost(exchange: &Exchange) -> bool {
    exchange.answer_lost || exchange.fault.is_some() && (exchange.status == 0 || exchange.status >= 500)
}

/// Posts with this caption.
pub(crate) fn posts(world: &Inspection, caption: &str) -> usize {
    world
        .publishes
        .iter()
        .filter(|publish| publish.caption == caption && publish.state == PublishState::Complete)
        .count()
}

pub(crate) fn judge(
    simulator: &Simulator,
    log: &Log,
    ended: &BTreeMap<String, Job>,
    killed: &[KilledRefresh],
    caption: impl Fn(&str) -> String,
) -> Verdict {
    let world = simulator.world();
    let mut verdict = Verdict { requests: log.requests, disturbed: log.disturbed, ..Verdict::default() };
    for (id, job) in ended {
        let name = format!("{:?}", job.status).to_lowercase();
        *verdict.ends.entry(name).or_default() += 1;
        if let Some(error) = job.error.as_ref().filter(|_| job.status == JobStatus::Failed) {
            *verdict.reasons.entry(error.message.clone()).or_default() += 1;
        }
        let posted = posts(&world, &caption(id));
        let holds = match job.status {
            JobStatus::Published => posted == 1,
            JobStatus::Failed | JobStatus::Cancelled => posted == 0,
            // The job reports it, names the video, and a person checks.
            JobStatus::Unknown => {
                let error = job.error.as_ref();
                posted <= 1
                    && error
                        .is_some_and(|error| error.message.contains(&caption(id)) && error.remedy.is_some())
            }
            JobStatus::Active | JobStatus::Paused => false,
        };
        if !holds {
            verdict.faults.push(format!("{posted} posts of a job that is {:?}: {job:?}", job.status));
        }
    }
    for exchange in &log.past_limits {
        verdict.faults.push(format!("past a limit: {:?} {:?}", exchange.path, exchange.refusal));
    }
    let refreshes = refreshes(log, killed);
    let counted = world.tokens.refreshed_with_rotated_token;
    if counted != refreshes.second_uses as u64 {
        let seen = refreshes.second_uses;
        verdict.faults.push(format!("{counted} refresh tokens were used twice, and the log has {seen}"));
    }
    verdict.refreshes = log.refreshes.len();
    verdict.second_uses = refreshes.second_uses;
    verdict.faults.extend(refreshes.wrong);
    for violation in simulator.violations() {
        verdict.faults.push(format!("{violation:?}"));
    }
    verdict
}
