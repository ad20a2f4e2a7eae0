//! A model of one job: a platform, two workers, a database, and all faults.
//!
//! [`World::next`] returns every world that can follow. It uses the real decisions (`decide`); this module models
//! their environment: the row in the database, the fence, and platforms of three kinds.

use std::time::Duration;

use super::super::decide::*;
use crate::store::JobStatus;
use social_channel_runtime::error::{Error, ErrorKind};
use social_channel_runtime::{Effect, NextStep};

/// How a provider posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One request makes the post and returns its id: the init of a pull, or of photos. If its response is lost,
    /// only a webhook can provide the id.
    Pull,
    /// An init that may be repeated, then two chunks; only the last chunk makes the post. The progress of an
    /// upload can be queried, and an upload expires after a while.
    Upload,
    /// One request with a key that makes repeating it harmless, announced as `idempotent`.
    Keyed,
}

/// The rules under test: the real ones, or with one deliberately broken.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) act: fn(Position, JobContext) -> Act,
    pub(super) after_step: fn(Position, &NextStep) -> Decision,
    pub(super) after_error: fn(Position, &Error, f64) -> Decision,
    pub(super) after_cancel: fn(Position, Result<&NextStep, &Error>) -> Decision,
    pub(super) ended: fn(Position, &Error) -> Decision,
    pub(super) is_interrupted: fn(Position) -> bool,
    pub(super) marks: fn(Position, &Decision) -> Marks,
    /// The database rejects writes of a worker that lost the lease.
    pub(super) fence: bool,
    /// Only a call that returned a result consumes the evidence passed to it.
    pub(super) keeps_evidence: bool,
}

pub(super) const REAL: Rules = Rules {
    act,
    after_step,
    after_error,
    after_cancel,
    ended,
    is_interrupted,
    marks,
    fence: true,
    keeps_evidence: true,
};

/// The faults that may occur in one search. Each occurrence uses one up; failed calls are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    /// Processes that are killed, or that stall and lose their lease.
    pub(super) deaths: u8,
    /// Processes that shut down.
    pub(super) shutdowns: u8,
    pub(super) cancels: u8,
    pub(super) webhooks: u8,
    /// A person changes the post.
    pub(super) changes: u8,
    /// The operator moves the job to another component.
    pub(super) moves: u8,
    /// The job's deadline may pass.
    pub(super) time: bool,
    /// The platform may refuse permanently.
    pub(super) refusals: bool,
    /// A person may resolve the job.
    pub(super) resolves: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Nothing,
    Init,
    /// An upload's first chunk.
    First,
    /// The request that makes the post.
    Send,
    /// The request was sent, or cancelled, and its id is unknown.
    Lost,
    Watch,
    Out,
}

/// The provider's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) stage: Stage,
    /// The number of the upload; 0: none.
    upload: u8,
    /// The last chunk may have arrived.
    last_begun: bool,
    cancelling: bool,
}

/// The row in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) state: State,
    may_post: bool,
    idempotent: bool,
    interrupted: bool,
    pub(super) may_have_posted: bool,
    sent: bool,
    pub(super) status: JobStatus,
    moved: bool,
    /// It has ended, and a worker must query it again.
    looks: bool,
}

const START: Row = Row {
    state: State { stage: Stage::Nothing, upload: 0, last_begun: false, cancelling: false },
    may_post: false,
    idempotent: false,
    interrupted: false,
    may_have_posted: false,
    sent: false,
    status: JobStatus::Active,
    moved: false,
    looks: false,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Says {
    Safe(State),
    Idempotent(State),
    Once(State),
    Wait(State),
    Published(State, bool),
    Failed,
    Unknown,
    Cancelled(State),
    Error(ErrorKind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Doing {
    Idle,
    /// It decides what to do next.
    Looking,
    Calling,
    Cancelling,
    Answered(Says),
    /// The provider's result for a cancellation.
    CancelAnswered(Says),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Worker {
    doing: Doing,
    /// The lease was lost, and its result will not be stored.
    fenced: bool,
    row: Row,
    intent_recorded: bool,
    cancel: bool,
    evidence: bool,
}

/// Clears the worker's knowledge, so that worlds that differ in nothing else are equal.
const IDLE: Worker = Worker {
    doing: Doing::Idle,
    fenced: false,
    row: START,
    intent_recorded: false,
    cancel: false,
    evidence: false,
};

/// The platform's status of the post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Verdict {
    Open,
    Posted,
    Refused,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Platform {
    /// Accepted requests that make a post: never two for one job.
    posts: u8,
    verdict: Verdict,
    /// The newest upload; 0: none.
    upload: u8,
    first: bool,
    complete: bool,
    /// That upload accepts nothing more.
    dead: bool,
    /// Requests in flight that make a post and whose sender is dead or gave up.
    in_flight: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Time {
    Before,
    /// The job's deadline has passed.
    Late,
    /// The time for the platform's final status has passed too.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) row: Row,
    holder: Option<u8>,
    workers: [Worker; 2],
    platform: Platform,
    /// Webhooks that no call has received.
    evidence: u8,
    heard: bool,
    cancel: bool,
    pub(super) time: Time,
    left: Scope,
    /// The outcome of a started call that may post is unknown.
    lost: bool,
    /// It was cancelled before such a call was started.
    cancelled_in_time: bool,
    resolved: bool,
    /// The queries for an ended job failed too often.
    gave_up: bool,
}

impl World {
    pub(super) fn start(scope: Scope) -> Self {
        World {
            row: START,
            holder: None,
            workers: [IDLE; 2],
            platform: Platform {
                posts: 0,
                verdict: Verdict::Open,
                upload: 0,
                first: false,
                complete: false,
                dead: false,
                in_flight: 0,
            },
            evidence: 0,
            heard: false,
            cancel: false,
            time: Time::Before,
            left: scope,
            lost: false,
            cancelled_in_time: false,
            resolved: false,
            gave_up: false,
        }
    }

    /// What must hold in every world.
    pub(super) fn check(&self, kind: Kind, scope: Scope) -> Result<(), &'static str> {
        let platform = self.platform;
        if platform.posts > 1 {
            return Err("posted twice");
        }
        let is_out = platform.posts > 0 && platform.verdict == Verdict::Posted;
        let may_land = platform.in_flight > 0
            && match kind {
                Kind::Pull => true,
                Kind::Upload => !platform.dead && !platform.complete && platform.first,
                Kind::Keyed => platform.posts == 0,
            };
        let may_come = may_land || platform.posts > 0 && platform.verdict == Verdict::Open;
        match self.row.status {
            JobStatus::Failed | JobStatus::Cancelled if is_out => {
                return Err("it says not posted, and it was");
            }
            JobStatus::Failed | JobStatus::Cancelled if may_come => {
                return Err("it says not posted, and it may yet be");
            }
            JobStatus::Published if !is_out => return Err("it says posted, and it was not"),
            JobStatus::Unknown if !self.row.may_have_posted => {
                return Err("unknown, and nothing was sent");
            }
            // Otherwise only if the deadline passed, or an error or a cancellation ended it after such a call.
            JobStatus::Unknown if !scope.time && !scope.refusals && scope.cancels == 0 && !self.lost => {
                return Err("unknown, and no answer was lost");
            }
            _ => {}
        }
        if self.cancelled_in_time && (platform.posts > 0 || platform.in_flight > 0) {
            return Err("cancelled before anything was sent, and posted");
        }
        let is_idle = self.workers.iter().all(|worker| worker.doing == Doing::Idle);
        let is_told = self.heard && self.evidence == 0 && !self.resolved && !self.gave_up && is_idle;
        let may_listen = !scope.time && !scope.refusals;
        if is_out && is_told && may_listen && self.row.status == JobStatus::Unknown && !self.row.looks {
            return Err("a webhook reported the result, and it was lost");
        }
        Ok(())
    }

    fn is_overdue(&self, row: &Row) -> bool {
        self.time >= if row.sent { Time::Over } else { Time::Late }
    }

    fn is_due(&self) -> bool {
        let row = &self.row;
        match row.status {
            JobStatus::Active => true,
            JobStatus::Paused => self.is_overdue(row),
            JobStatus::Published | JobStatus::Unknown => row.looks || self.evidence > 0,
            JobStatus::Failed | JobStatus::Cancelled => false,
        }
    }

    fn lay_down(&mut self, worker: usize) {
        self.workers[worker] = IDLE;
        if self.holder == Some(worker as u8) {
            self.holder = None;
        }
    }

    /// The result of a call is lost, or it is unknown whether the call was made.
    fn note_loss(&mut self, worker: usize) {
        let own = self.workers[worker];
        let is_calling = matches!(own.doing, Doing::Calling | Doing::Answered(_)) && own.row.may_post;
        self.lost |= is_calling || own.row.interrupted || self.row.interrupted;
        // The next worker finds a started call, and cannot know its outcome.
        self.cancelled_in_time &= !self.row.may_have_posted;
    }

    /// All possible next worlds.
    pub(super) fn next(&self, kind: Kind, rules: &Rules) -> Vec<World> {
        let mut all = Vec::new();
        self.of_platform(kind, &mut all);
        self.of_people(&mut all);
        for worker in 0..2 {
            let own = self.workers[worker];
            match own.doing {
                Doing::Idle => self.lease(worker, &mut all),
                Doing::Looking => self.look(worker, rules, &mut all),
                Doing::Calling => Call { world: self, worker, kind }.publish(rules, &mut all),
                Doing::Cancelling => Call { world: self, worker, kind }.cancel(&mut all),
                Doing::Answered(says) => self.answered(worker, says, rules, &mut all),
                Doing::CancelAnswered(says) => self.cancel_answered(worker, says, rules, &mut all),
            }
            if own.doing == Doing::Idle {
                continue;
            }
            if self.cancel && !own.cancel && !own.fenced {
                let mut hears = *self;
                hears.workers[worker].cancel = true;
                all.push(hears);
            }
            if self.left.deaths > 0 {
                let mut died = *self;
                died.left.deaths -= 1;
                died.note_loss(worker);
                died.lay_down(worker);
                all.push(died);
                if !own.fenced {
                    // It stalls until another worker may take the job; it may wake up at any time.
                    let mut stalls = *self;
                    stalls.left.deaths -= 1;
                    stalls.note_loss(worker);
                    stalls.take_away();
                    all.push(stalls);
                }
            }
        }
        for world in &mut all {
            world.put_in_order();
        }
        all
    }

    /// The two processes are interchangeable.
    fn put_in_order(&mut self) {
        let [first, second] = &self.workers;
        let is_idle = |worker: &Worker| worker.doing == Doing::Idle;
        if is_idle(first) && !is_idle(second) || !is_idle(second) && first.fenced && !second.fenced {
            self.workers.swap(0, 1);
            self.holder = self.holder.map(|holder| 1 - holder);
        }
    }

    fn of_platform(&self, kind: Kind, all: &mut Vec<World>) {
        let platform = &self.platform;
        if platform.in_flight > 0 {
            let mut is_dropped = *self;
            is_dropped.platform.in_flight -= 1;
            all.push(is_dropped);
            let mut lands = is_dropped;
            lands.platform.accept(kind, platform.upload);
            all.push(lands);
        }
        if platform.posts > 0 && platform.verdict == Verdict::Open {
            for verdict in [Verdict::Posted, Verdict::Refused] {
                let mut decided = *self;
                decided.platform.verdict = verdict;
                all.push(decided);
            }
        }
        if kind == Kind::Upload && platform.upload > 0 && !platform.dead && !platform.complete {
            let mut expires = *self;
            expires.platform.dead = true;
            all.push(expires);
        }
        if platform.verdict != Verdict::Open && self.left.webhooks > 0 {
            let mut tells = *self;
            tells.left.webhooks -= 1;
            tells.evidence += 1;
            tells.heard = true;
            all.push(tells);
        }
        let later = match self.time {
            Time::Before => Some(Time::Late),
            Time::Late => Some(Time::Over),
            Time::Over => None,
        };
        if let Some(time) = later.filter(|_| self.left.time) {
            all.push(World { time, ..*self });
        }
    }

    fn of_people(&self, all: &mut Vec<World>) {
        let is_open = !self.row.status.has_ended();
        if is_open && self.left.cancels > 0 {
            let mut cancelled = *self;
            cancelled.left.cancels -= 1;
            cancelled.cancel = true;
            cancelled.cancelled_in_time = !self.row.may_have_posted;
            cancelled.row.status = JobStatus::Active;
            all.push(cancelled);
        }
        if self.row.status == JobStatus::Paused {
            let mut resumed = *self;
            resumed.row.status = JobStatus::Active;
            all.push(resumed);
        }
        if is_open && self.left.changes > 0 && !self.row.may_have_posted {
            let mut changed = *self;
            changed.left.changes -= 1;
            // The old upload will not be used.
            let platform = &mut changed.platform;
            (platform.upload, platform.first, platform.dead) = (0, false, false);
            changed.row = Row { may_have_posted: false, ..START };
            changed.take_away();
            all.push(changed);
        }
        if is_open && self.left.moves > 0 {
            let mut moved = *self;
            moved.left.moves -= 1;
            moved.row.moved = self.row.state.stage != Stage::Nothing;
            moved.row.status = JobStatus::Active;
            all.push(moved);
        }
        let platform = &self.platform;
        let is_settled =
            platform.in_flight == 0 && (platform.posts == 0 || platform.verdict != Verdict::Open);
        if self.left.resolves && self.row.status == JobStatus::Unknown && is_settled {
            let mut resolved = *self;
            let is_out = platform.posts > 0 && platform.verdict == Verdict::Posted;
            resolved.row.status = if is_out { JobStatus::Published } else { JobStatus::Failed };
            resolved.row.looks = false;
            resolved.resolved = true;
            resolved.take_away();
            all.push(resolved);
        }
    }

    /// A person's decision ends the lease of the worker.
    fn take_away(&mut self) {
        if let Some(holder) = self.holder.take() {
            let worker = &mut self.workers[usize::from(holder)];
            (worker.fenced, worker.evidence) = (true, false);
        }
    }

    fn lease(&self, worker: usize, all: &mut Vec<World>) {
        if self.holder.is_some() || !self.is_due() {
            return;
        }
        let mut taken = *self;
        taken.holder = Some(worker as u8);
        taken.workers[worker] = Worker {
            doing: Doing::Looking,
            row: self.row,
            intent_recorded: is_intent_recorded(position(&self.row)),
            cancel: self.cancel,
            ..IDLE
        };
        all.push(taken);
    }

    fn look(&self, worker: usize, rules: &Rules, all: &mut Vec<World>) {
        let own = self.workers[worker];
        let mut sights = vec![false];
        if own.fenced || self.left.shutdowns > 0 {
            sights.push(true);
        }
        for leaves in sights {
            let mut world = *self;
            if leaves && !own.fenced {
                world.left.shutdowns -= 1;
            }
            let has_state = own.row.state.stage != Stage::Nothing;
            let overdue = self.is_overdue(&own.row);
            let context = JobContext {
                leaves,
                overdue,
                cancel: own.cancel,
                has_state,
                intent_recorded: own.intent_recorded,
            };
            let position = position(&own.row);
            match (rules.act)(position, context) {
                Act::HandBack => world.hand_back(worker, rules),
                Act::GiveUp => {
                    let error = Error::new(ErrorKind::Unavailable, "the time is up");
                    world.write(
                        worker,
                        own.row.state,
                        &(rules.ended)(position, &error),
                        Written::default(),
                        rules,
                    );
                }
                Act::Doubt => {
                    let error = Error::new(ErrorKind::OutcomeUnknown, "the state was lost");
                    world.write(
                        worker,
                        own.row.state,
                        &(rules.ended)(position, &error),
                        Written::default(),
                        rules,
                    );
                }
                Act::Drop => {
                    let decision = (rules.after_step)(position, &NextStep::Cancelled);
                    world.write(worker, own.row.state, &decision, Written::CANCEL, rules);
                }
                Act::Cancel => {
                    world.workers[worker].cancel = false;
                    world.workers[worker].doing = Doing::Cancelling;
                }
                Act::RecordIntent => world.arm(worker, rules),
                Act::Begin | Act::Continue => {
                    if position.ended.is_none() && !position.may_have_posted && !position.may_post {
                        // The preflight asks first, and a person has to answer.
                        let question = Error::new(ErrorKind::InvalidRequest, "no longer offered");
                        let mut asked = world;
                        asked.write(
                            worker,
                            own.row.state,
                            &asks(position, &question),
                            Written::default(),
                            rules,
                        );
                        all.push(asked);
                    }
                    let own = &mut world.workers[worker];
                    own.row.may_have_posted = begun(position).may_have_posted;
                    own.evidence = has_state && self.evidence > 0;
                    own.doing = Doing::Calling;
                }
            }
            all.push(world);
        }
    }

    fn arm(&mut self, worker: usize, rules: &Rules) {
        if !self.may_write(worker, rules) {
            self.lay_down(worker);
            return;
        }
        (self.row.interrupted, self.row.may_have_posted, self.row.sent) = (true, true, true);
        self.workers[worker].intent_recorded = true;
        self.workers[worker].cancel |= self.cancel;
    }

    /// Gives the job back; an intent whose call was never made is withdrawn.
    fn hand_back(&mut self, worker: usize, rules: &Rules) {
        if self.may_write(worker, rules) {
            let own = self.workers[worker].row;
            self.row.interrupted = own.interrupted;
            self.row.may_have_posted = own.may_have_posted;
            self.row.sent &= own.may_have_posted;
        }
        self.lay_down(worker);
    }

    fn may_write(&self, worker: usize, rules: &Rules) -> bool {
        !self.workers[worker].fenced || !rules.fence
    }

    fn answered(&self, worker: usize, says: Says, rules: &Rules, all: &mut Vec<World>) {
        let own = self.workers[worker];
        let before = position(&own.row);
        let mut stored = *self;
        let Says::Error(kind) = says else {
            let (state, next) = step(own.row.state, says);
            let decision = (rules.after_step)(before, &next);
            let state = if decision.take_step { state } else { own.row.state };
            stored.write(
                worker,
                state,
                &decision,
                Written { has_answered: true, ..Written::default() },
                rules,
            );
            all.push(stored);
            return;
        };
        if matches!(kind, ErrorKind::OutcomeUnknown | ErrorKind::LimitExceeded) && own.row.may_post {
            stored.lost = true;
        }
        // Any failure may be one of several, or the last that is tolerated: failures are not counted, so that few
        // worlds represent any number of them.
        let most = if before.ended.is_some() { FAILED_LOOKS } else { LOST_ANSWERS };
        for attempts in [0, most - 1] {
            let before = Position { attempts, ..before };
            let decision = (rules.after_error)(before, &Error::new(kind, "x"), 0.5);
            let mut one = stored;
            one.gave_up |= before.ended.is_some() && decision.then == Then::Never;
            one.write(worker, own.row.state, &decision, Written::default(), rules);
            all.push(one);
        }
    }

    fn cancel_answered(&self, worker: usize, says: Says, rules: &Rules, all: &mut Vec<World>) {
        let own = self.workers[worker];
        let before = position(&own.row);
        let mut stored = *self;
        let (state, decision) = match says {
            Says::Error(kind) => (own.row.state, (rules.after_cancel)(before, Err(&Error::new(kind, "x")))),
            says => {
                let (state, next) = step(own.row.state, says);
                (state, (rules.after_cancel)(before, Ok(&next)))
            }
        };
        let state = if decision.take_step { state } else { own.row.state };
        let written = if decision.send_back { Written::default() } else { Written::CANCEL };
        stored.write(worker, state, &decision, written, rules);
        all.push(stored);
    }

    /// Writes as `step` and the database do.
    fn write(&mut self, worker: usize, state: State, decision: &Decision, written: Written, rules: &Rules) {
        if !self.may_write(worker, rules) {
            self.note_loss(worker);
            self.lay_down(worker);
            return;
        }
        let own = self.workers[worker];
        let marks = (rules.marks)(position(&own.row), decision);
        let has_same_component = own.row.moved == self.row.moved;
        let takes_over = decision.take_step || decision.send_back;
        self.row = Row {
            state,
            may_post: marks.may_post,
            // Stored with the state.
            idempotent: if decision.take_step { decision.idempotent } else { own.row.idempotent },
            interrupted: marks.interrupted,
            may_have_posted: marks.may_have_posted,
            sent: marks.may_have_posted,
            status: decision.status,
            moved: self.row.moved && !(has_same_component && takes_over),
            looks: decision.status.has_ended() && matches!(decision.then, Then::After(_)),
        };
        if written.cancel {
            self.cancel = false;
        }
        let uses_up = if rules.keeps_evidence { written.has_answered } else { decision.error.is_none() };
        if own.evidence && uses_up {
            self.evidence = self.evidence.saturating_sub(1);
        }
        let holds = self.holder == Some(worker as u8);
        let next = &mut self.workers[worker];
        next.row = Row {
            interrupted: marks.call_interrupted,
            // The call is still to come.
            may_have_posted: position(&own.row).may_have_posted,
            moved: own.row.moved && !takes_over,
            ..self.row
        };
        next.intent_recorded = marks.intent_recorded;
        next.evidence = false;
        next.cancel |= self.cancel && !written.cancel;
        next.doing = Doing::Looking;
        if decision.then != Then::Now || !holds {
            self.lay_down(worker);
        }
    }
}

/// What is stored in addition to the decision.
#[derive(Clone, Copy, Default)]
struct Written {
    /// The cancellation was answered.
    cancel: bool,
    /// The call returned a step.
    has_answered: bool,
}

impl Written {
    const CANCEL: Written = Written { cancel: true, has_answered: false };
}

impl Platform {
    /// The request that makes the post arrives.
    fn accept(&mut self, kind: Kind, upload: u8) {
        match kind {
            Kind::Pull => self.posts += 1,
            Kind::Keyed => self.posts = 1,
            Kind::Upload if upload == self.upload && self.first && !self.dead && !self.complete => {
                self.complete = true;
                self.posts += 1;
            }
            Kind::Upload => {}
        }
    }
}

fn position(row: &Row) -> Position {
    Position {
        may_post: row.may_post,
        idempotent: row.idempotent,
        interrupted: row.interrupted,
        may_have_posted: row.may_have_posted,
        // One post, so that what is out is published.
        is_out: false,
        ended: row.status.has_ended().then_some(row.status),
        attempts: 0,
        moved: row.moved,
    }
}

fn step(before: State, says: Says) -> (State, NextStep) {
    match says {
        Says::Safe(state) => (state, NextStep::Proceed(Effect::Safe)),
        Says::Idempotent(state) => (state, NextStep::Proceed(Effect::Idempotent)),
        Says::Once(state) => (state, NextStep::Proceed(Effect::Once)),
        Says::Wait(state) => (state, NextStep::Wait(Duration::from_secs(60))),
        Says::Published(state, looks) => {
            let recheck_after = looks.then_some(Duration::from_secs(60));
            (state, NextStep::Published { recheck_after })
        }
        Says::Failed => (before, NextStep::Failed(Error::new(ErrorKind::Rejected, "refused"))),
        Says::Unknown => (before, NextStep::Unknown(Error::new(ErrorKind::OutcomeUnknown, "lost"))),
        Says::Cancelled(state) => (state, NextStep::Cancelled),
        Says::Error(_) => (before, NextStep::Wait(Duration::ZERO)),
    }
}

/// A call of a provider that complies with the contract.
struct Call<'a> {
    world: &'a World,
    worker: usize,
    kind: Kind,
}

impl Call<'_> {
    fn answer(&self, platform: Platform, says: Says, all: &mut Vec<World>) {
        let mut world = World { platform, ..*self.world };
        world.workers[self.worker].doing = match self.world.workers[self.worker].doing {
            Doing::Cancelling => Doing::CancelAnswered(says),
            _ => Doing::Answered(says),
        };
        all.push(world);
    }

    /// `continue_publish`.
    fn publish(&self, rules: &Rules, all: &mut Vec<World>) {
        let own = self.world.workers[self.worker];
        let platform = self.world.platform;
        // Failures that promise that nothing changed, and a trap or a lost response before anything was sent.
        for kind in [ErrorKind::Unavailable, ErrorKind::Unauthorized, ErrorKind::OutcomeUnknown] {
            self.answer(platform, Says::Error(kind), all);
        }
        if self.world.left.refusals {
            self.answer(platform, Says::Error(ErrorKind::Rejected), all);
        }
        if own.row.moved {
            self.answer(platform, Says::Error(ErrorKind::Unsupported), all);
        }
        // A repeatable call is dropped on a cancellation; a `once` call runs to its end.
        if !own.row.may_post && own.cancel {
            let mut dropped = *self.world;
            dropped.workers[self.worker].doing = Doing::Looking;
            all.push(dropped);
        }
        // A worker that lost the lease opens no request.
        if own.fenced && rules.fence {
            return;
        }
        let state = own.row.state;
        let told = (rules.is_interrupted)(position(&own.row));
        let to = |stage| State { stage, ..state };
        match (self.kind, state.stage) {
            (_, Stage::Nothing) => self.answer(platform, Says::Safe(to(Stage::Init)), all),
            (Kind::Upload, Stage::Init) => self.init(state, all),
            (Kind::Keyed, Stage::Init) => self.answer(platform, Says::Idempotent(to(Stage::Send)), all),
            (_, Stage::Init) => self.answer(platform, Says::Once(to(Stage::Send)), all),
            (_, Stage::First) => self.first(state, told, all),
            (Kind::Pull, Stage::Send) if told => self.lost(state, own.evidence, all),
            (Kind::Upload, Stage::Send) => self.last(state, told, all),
            (_, Stage::Send) => self.send(state, told, all),
            (_, Stage::Lost) => self.lost(state, own.evidence, all),
            (_, Stage::Watch) => self.watch(state, all),
            (_, Stage::Out) => {
                self.answer(platform, Says::Published(state, false), all);
                self.answer(platform, Says::Published(state, true), all);
            }
        }
    }

    /// A repeated init made another upload, which will not be used.
    fn init(&self, state: State, all: &mut Vec<World>) {
        let mut platform = self.world.platform;
        if platform.upload <= state.upload {
            platform = Platform {
                upload: state.upload + 1,
                first: false,
                complete: false,
                dead: false,
                in_flight: 0,
                ..platform
            };
        } else if !platform.first {
            platform.dead = false;
        }
        let state = State { stage: Stage::First, upload: platform.upload, last_begun: false, ..state };
        self.answer(platform, Says::Safe(state), all);
        self.answer(platform, Says::Error(ErrorKind::Unavailable), all);
        if self.world.left.refusals {
            self.answer(self.world.platform, Says::Failed, all);
        }
    }

    /// Starts again if nothing can have been posted.
    fn again(&self, state: State, all: &mut Vec<World>) {
        let says = if state.upload >= 2 {
            Says::Failed
        } else {
            Says::Safe(State { stage: Stage::Init, last_begun: false, ..state })
        };
        self.answer(self.world.platform, says, all);
    }

    fn first(&self, state: State, told: bool, all: &mut Vec<World>) {
        let mut platform = self.world.platform;
        let to = State { stage: Stage::Send, ..state };
        if platform.upload != state.upload || platform.dead {
            return self.again(state, all);
        }
        if told && platform.first {
            return self.answer(platform, Says::Once(to), all);
        }
        platform.first = true;
        self.answer(platform, Says::Once(to), all);
        self.answer(platform, Says::Error(ErrorKind::OutcomeUnknown), all);
    }

    /// The last chunk of an upload, which may have been started before.
    fn last(&self, mut state: State, told: bool, all: &mut Vec<World>) {
        let platform = self.world.platform;
        state.last_begun |= told;
        let is_there = platform.upload == state.upload && platform.complete;
        if told && is_there {
            return self.answer(platform, Says::Wait(State { stage: Stage::Watch, ..state }), all);
        }
        if told {
            // Bytes are missing: the started chunk did not arrive.
            state.last_begun = false;
        }
        if platform.upload != state.upload || platform.dead {
            return self.again(state, all);
        }
        self.send(state, told, all);
    }

    /// The request that makes the post.
    fn send(&self, state: State, told: bool, all: &mut Vec<World>) {
        let before = self.world.platform;
        let mut platform = before;
        platform.accept(self.kind, state.upload);
        self.answer(platform, Says::Wait(State { stage: Stage::Watch, ..state }), all);
        self.answer(platform, Says::Error(ErrorKind::OutcomeUnknown), all);
        if self.world.left.refusals && self.kind != Kind::Upload {
            // This says nothing about an earlier request with the same key.
            self.answer(before, if told { Says::Unknown } else { Says::Failed }, all);
        }
        // The worker gives up waiting, or dies, and the request is still in flight.
        // With an idempotency key, one request represents any number of them.
        let most = if self.kind == Kind::Pull { 2 } else { 1 };
        let late = Platform { in_flight: (before.in_flight + 1).min(most), ..before };
        self.answer(late, Says::Error(ErrorKind::LimitExceeded), all);
        if self.world.left.deaths > 0 {
            let mut died = World { platform: late, lost: true, ..*self.world };
            died.left.deaths -= 1;
            died.lay_down(self.worker);
            all.push(died);
        }
    }

    /// Only a webhook can provide the post's id.
    fn lost(&self, state: State, has_evidence: bool, all: &mut Vec<World>) {
        let platform = self.world.platform;
        if has_evidence {
            return self.watch(State { stage: Stage::Watch, ..state }, all);
        }
        self.answer(platform, Says::Wait(State { stage: Stage::Lost, ..state }), all);
        self.answer(platform, Says::Unknown, all);
    }

    fn watch(&self, state: State, all: &mut Vec<World>) {
        let platform = self.world.platform;
        let out = State { stage: Stage::Out, ..state };
        if self.kind == Kind::Upload && !(platform.upload == state.upload && platform.complete) {
            if state.cancelling {
                return self.answer(platform, Says::Cancelled(state), all);
            }
            if platform.upload != state.upload || platform.dead {
                return self.again(state, all);
            }
            let says = if platform.first {
                Says::Once(State { stage: Stage::Send, ..state })
            } else {
                Says::Safe(State { stage: Stage::First, ..state })
            };
            return self.answer(platform, says, all);
        }
        match platform.verdict {
            _ if platform.posts == 0 => self.answer(platform, Says::Wait(state), all),
            Verdict::Open => self.answer(platform, Says::Wait(state), all),
            Verdict::Posted => {
                self.answer(platform, Says::Published(out, true), all);
                self.answer(platform, Says::Published(out, false), all);
            }
            Verdict::Refused => self.answer(platform, Says::Failed, all),
            Verdict::Cancelled => self.answer(platform, Says::Cancelled(state), all),
        }
    }

    /// `cancel_publish`. It does not receive whether the step was started.
    fn cancel(&self, all: &mut Vec<World>) {
        let own = self.world.workers[self.worker];
        let mut platform = self.world.platform;
        self.answer(platform, Says::Error(ErrorKind::Unavailable), all);
        if own.row.moved {
            self.answer(platform, Says::Error(ErrorKind::Unsupported), all);
        }
        if own.fenced {
            return;
        }
        let state = State { cancelling: true, ..own.row.state };
        match (self.kind, state.stage) {
            (_, Stage::Nothing | Stage::Init) => self.answer(platform, Says::Cancelled(state), all),
            (_, Stage::First) if !state.last_begun => self.answer(platform, Says::Cancelled(state), all),
            (_, Stage::Out) => self.answer(platform, Says::Published(state, false), all),
            (Kind::Pull, Stage::Send | Stage::Lost) => {
                self.answer(platform, Says::Wait(State { stage: Stage::Lost, ..state }), all);
            }
            (Kind::Keyed, _) => self.answer(platform, Says::Error(ErrorKind::Rejected), all),
            (Kind::Upload | Kind::Pull, _) => {
                if self.kind == Kind::Upload && platform.upload == state.upload && !platform.complete {
                    platform.dead = true;
                } else if platform.posts > 0 && platform.verdict == Verdict::Open {
                    platform.verdict = Verdict::Cancelled;
                }
                let watched = State { stage: Stage::Watch, last_begun: state.stage == Stage::Send, ..state };
                self.answer(platform, Says::Wait(watched), all);
                self.answer(platform, Says::Error(ErrorKind::Unavailable), all);
            }
        }
    }
}
