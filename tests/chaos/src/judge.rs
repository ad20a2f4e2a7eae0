//! What the simulator's records say of it all.

use std::collections::BTreeMap;

use social_channel::{Job, JobStatus};
use tiktok_simulator::{Exchange, Inspection, PublishState, Simulator};

/// What came of a run.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many jobs ended how.
    pub ends: BTreeMap<String, usize>,
    /// Why those ended that were not published.
    pub reasons: BTreeMap<String, usize>,
    /// Requests that the platform saw.
    pub requests: usize,
    /// What was done to it.
    pub course: String,
    /// What must not be. Empty: all held.
    pub faults: Vec<String>,
}

/// The requests, beyond what the simulator keeps.
#[derive(Debug, Default)]
pub(crate) struct Log {
    last: u64,
    pub(crate) requests: usize,
    past_limits: Vec<Exchange>,
    lost_tokens: u64,
}

impl Log {
    pub(crate) fn harvest(&mut self, simulator: &Simulator) {
        // The newest second is left alone: a request is numbered when it comes and logged when it ends.
        let log = simulator.log();
        let Some(newest) = log.iter().map(|exchange| exchange.number).max() else { return };
        for exchange in log.into_iter().filter(|exchange| exchange.number > self.last) {
            self.requests += 1;
            if exchange.path == "/v2/oauth/token/" && (exchange.fault.is_some() || exchange.answer_lost) {
                self.lost_tokens += 1;
            }
            let refused_limit = exchange
                .refusal
                .as_ref()
                .is_some_and(|refusal| refusal.rule.contains("1.5") || refusal.rule.contains("13.3"));
            if refused_limit && exchange.fault.is_none() {
                self.past_limits.push(exchange);
            }
        }
        self.last = newest;
    }
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
    kills: usize,
    caption: impl Fn(&str) -> String,
) -> Verdict {
    let world = simulator.world();
    let mut verdict = Verdict { requests: log.requests, ..Verdict::default() };
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
            // It says so, names the video, and a person looks.
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
    // After a lost answer the same token is tried once more: the platform may not have seen the first. A process
    // that is killed between the platform's answer and the database loses one as well.
    let excused = log.lost_tokens + kills as u64;
    if world.tokens.refreshed_with_rotated_token > excused {
        verdict.faults.push(format!(
            "{} refresh tokens were used twice, and {excused} answers may have been lost",
            world.tokens.refreshed_with_rotated_token
        ));
    }
    for violation in simulator.violations() {
        verdict.faults.push(format!("{violation:?}"));
    }
    verdict
}
