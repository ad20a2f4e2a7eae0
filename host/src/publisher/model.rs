//! Every course that two workers, one job and a platform can take, walked through: nothing is sampled.
//!
//! The decisions are the real ones (`decide`); around them stands a small model of what may happen: a process
//! dies anywhere, a worker stalls and is overtaken, a request is lost, takes effect late, or its answer is lost,
//! somebody cancels, the time is up, a webhook comes. Three kinds of platform answer an interrupted call: one
//! that cannot be asked (as the init of a pull), one that knows a request again (a record key), and one that
//! can be looked at (an upload's status).

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::decide::{
    Decision, LOST_ANSWERS, Position, Then, after_error, after_step, ended, marks, unchanged,
};
use crate::error::{Error, ErrorKind};
use crate::model::Publication;
use crate::provider::{Effect, NextStep};
use crate::store::JobStatus;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Platform {
    Blind,
    Keyed,
    Lookup,
}

/// As the database has it. The stage stands for the provider's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row {
    stage: Stage,
    once: bool,
    interrupted: bool,
    once_begun: bool,
    status: JobStatus,
    attempts: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Nothing,
    Init,
    Send,
    Watch,
    /// Cancelled, and it is not known whether it was sent.
    Settle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Says {
    Repeatable(Stage),
    Once(Stage),
    Wait(Stage),
    Published,
    Unknown,
    Cancelled,
    Error(ErrorKind),
    /// Cancelling failed.
    Unchanged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Doing {
    Idle,
    Leased,
    Calling,
    Answered(Says),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Worker {
    doing: Doing,
    fence: u8,
    row: Row,
    armed: bool,
    /// Its lease has not ended.
    may_send: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct World {
    row: Row,
    fence: u8,
    holder: Option<usize>,
    workers: [Worker; 2],
    posts: u8,
    /// Requests on their way whose sender is gone or gave up.
    in_flight: u8,
    /// A webhook's evidence that waits for a call.
    evidence: bool,
    cancel: bool,
    /// How much may still go wrong, so that the walk ends.
    deaths: u8,
    cancels: u8,
    webhooks: u8,
}

const START: Row = Row {
    stage: Stage::Nothing,
    once: false,
    interrupted: false,
    once_begun: false,
    status: JobStatus::Active,
    attempts: 0,
};

impl World {
    fn start() -> Self {
        let idle = Worker { doing: Doing::Idle, fence: 0, row: START, armed: false, may_send: false };
        World {
            row: START,
            fence: 0,
            holder: None,
            workers: [idle; 2],
            posts: 0,
            in_flight: 0,
            evidence: false,
            cancel: false,
            deaths: 2,
            cancels: 1,
            webhooks: 1,
        }
    }

    fn is_due(&self) -> bool {
        self.row.status == JobStatus::Active || self.evidence && self.row.status != JobStatus::Paused
    }

    fn post(&mut self, platform: Platform) {
        // A request that the platform knows again makes no second post.
        self.posts = if platform == Platform::Keyed { 1 } else { self.posts + 1 };
    }

    fn laid_down(&mut self, worker: usize) {
        self.workers[worker].doing = Doing::Idle;
        if self.holder == Some(worker) {
            self.holder = None;
        }
    }

    /// Everything that can happen next.
    fn next(&self, platform: Platform) -> Vec<World> {
        let mut all = Vec::new();
        if self.in_flight > 0 {
            let mut lands = *self;
            lands.in_flight -= 1;
            lands.post(platform);
            all.push(lands);
            let mut is_dropped = *self;
            is_dropped.in_flight -= 1;
            all.push(is_dropped);
        }
        if self.posts > 0 && self.webhooks > 0 {
            all.push(World { evidence: true, webhooks: self.webhooks - 1, ..*self });
        }
        if self.cancels > 0 && !self.row.status.has_ended() {
            let mut cancelled = World { cancel: true, cancels: 0, ..*self };
            cancelled.row.status = JobStatus::Active;
            all.push(cancelled);
        }
        if self.row.status == JobStatus::Paused {
            // A person did what was asked.
            let mut resumed = *self;
            resumed.row.status = JobStatus::Active;
            all.push(resumed);
        }
        for worker in 0..2 {
            match self.workers[worker].doing {
                Doing::Idle => self.lease(worker, &mut all),
                Doing::Leased => self.begin(worker, &mut all),
                Doing::Calling => self.call(worker, platform, &mut all),
                Doing::Answered(says) => self.store(worker, says, &mut all),
            }
            if self.workers[worker].doing != Doing::Idle && self.deaths > 0 {
                let mut died = World { deaths: self.deaths - 1, ..*self };
                died.laid_down(worker);
                all.push(died);
            }
        }
        all
    }

    fn lease(&self, worker: usize, all: &mut Vec<World>) {
        let mut taken = *self;
        if let Some(holder) = self.holder {
            // The holder stalls until its lease has ended; it may wake up again at any time.
            if self.deaths == 0 {
                return;
            }
            taken.deaths -= 1;
            taken.workers[holder].may_send = false;
        }
        if !self.is_due() {
            return;
        }
        taken.fence += 1;
        taken.holder = Some(worker);
        taken.workers[worker] = Worker {
            doing: Doing::Leased,
            fence: taken.fence,
            row: taken.row,
            armed: taken.row.once && taken.row.interrupted,
            may_send: true,
        };
        all.push(taken);
    }

    fn begin(&self, worker: usize, all: &mut Vec<World>) {
        let own = self.workers[worker];
        if !own.row.status.has_ended() {
            // The time is up.
            let mut over = *self;
            let error = Error::new(ErrorKind::Unavailable, "the time is up");
            let decision = ended(position(&own.row), &error);
            over.write(worker, own.row.stage, &decision, false);
            all.push(over);
            if self.cancel {
                let mut cancelled = *self;
                cancelled.workers[worker].doing = Doing::Answered(match own.row.stage {
                    Stage::Nothing | Stage::Init => Says::Cancelled,
                    Stage::Send | Stage::Watch | Stage::Settle => Says::Wait(Stage::Settle),
                });
                all.push(cancelled);
                let mut failed = *self;
                failed.workers[worker].doing = Doing::Answered(Says::Unchanged);
                all.push(failed);
            }
        }
        let mut calls = *self;
        let own = &mut calls.workers[worker];
        if own.row.once && !own.armed {
            if own.fence != self.fence {
                calls.laid_down(worker);
                all.push(calls);
                return;
            }
            own.armed = true;
            (calls.row.interrupted, calls.row.once_begun) = (true, true);
        }
        let own = &mut calls.workers[worker];
        own.row.once_begun |= own.row.once;
        own.doing = Doing::Calling;
        all.push(calls);
    }

    fn call(&self, worker: usize, platform: Platform, all: &mut Vec<World>) {
        let own = self.workers[worker];
        let mut answers = |says: Says| {
            let mut answered = *self;
            answered.workers[worker].doing = Doing::Answered(says);
            all.push(answered);
        };
        // Every kind of failure that asserts that nothing was changed.
        for kind in [ErrorKind::Unavailable, ErrorKind::Unauthorized, ErrorKind::Rejected] {
            answers(Says::Error(kind));
        }
        // The answer to whatever was asked is lost, or the provider traps, before anything was sent.
        answers(Says::Error(ErrorKind::OutcomeUnknown));
        if self.evidence && own.row.stage != Stage::Nothing {
            answers(Says::Published);
        }
        if !own.may_send {
            return;
        }
        match own.row.stage {
            Stage::Nothing => answers(Says::Repeatable(Stage::Init)),
            Stage::Init => answers(Says::Once(Stage::Send)),
            Stage::Send if !own.row.interrupted => self.send(worker, platform, all),
            Stage::Send => match platform {
                Platform::Blind => answers(Says::Unknown),
                Platform::Keyed => self.send(worker, platform, all),
                Platform::Lookup if self.posts > 0 => answers(Says::Wait(Stage::Watch)),
                Platform::Lookup if self.in_flight > 0 || self.other_may_send(worker) => {
                    answers(Says::Error(ErrorKind::Unavailable));
                }
                Platform::Lookup => self.send(worker, platform, all),
            },
            Stage::Watch if self.posts > 0 => answers(Says::Published),
            Stage::Watch => answers(Says::Wait(Stage::Watch)),
            Stage::Settle if self.posts > 0 => answers(Says::Published),
            Stage::Settle if self.in_flight > 0 => answers(Says::Wait(Stage::Settle)),
            Stage::Settle if platform == Platform::Blind => answers(Says::Unknown),
            Stage::Settle => answers(Says::Cancelled),
        }
    }

    fn other_may_send(&self, worker: usize) -> bool {
        let other = self.workers[1 - worker];
        other.doing == Doing::Calling && other.may_send
    }

    /// The one request that makes the post.
    fn send(&self, worker: usize, platform: Platform, all: &mut Vec<World>) {
        let mut done = *self;
        done.post(platform);
        for says in [Says::Wait(Stage::Watch), Says::Error(ErrorKind::OutcomeUnknown)] {
            done.workers[worker].doing = Doing::Answered(says);
            all.push(done);
        }
        // Given up by us, and still on its way.
        let mut late = World { in_flight: self.in_flight + 1, ..*self };
        late.workers[worker].doing = Doing::Answered(Says::Error(ErrorKind::LimitExceeded));
        all.push(late);
        if self.deaths > 0 {
            let mut died = World { deaths: self.deaths - 1, in_flight: self.in_flight + 1, ..*self };
            died.laid_down(worker);
            all.push(died);
        }
    }

    fn store(&self, worker: usize, says: Says, all: &mut Vec<World>) {
        let mut stored = *self;
        let row = self.workers[worker].row;
        let position = position(&row);
        let publication = Publication { post_id: None, url: None };
        let (stage, next) = match says {
            Says::Repeatable(stage) => (stage, NextStep::Proceed(Effect::Repeatable)),
            Says::Once(stage) => (stage, NextStep::Proceed(Effect::Once)),
            Says::Wait(stage) => (stage, NextStep::Wait(Duration::from_secs(60))),
            Says::Published => (row.stage, NextStep::Published { publication, recheck_after: None }),
            Says::Unknown => (row.stage, NextStep::Unknown(Error::new(ErrorKind::OutcomeUnknown, "lost"))),
            Says::Cancelled => (row.stage, NextStep::Cancelled),
            Says::Error(kind) => {
                let decision = after_error(position, &Error::new(kind, "x"), 0.5);
                stored.write(worker, row.stage, &decision, false);
                all.push(stored);
                return;
            }
            Says::Unchanged => {
                stored.write(worker, row.stage, &unchanged(position), true);
                all.push(stored);
                return;
            }
        };
        let decision = after_step(position, &next);
        let stage = if decision.take_step { stage } else { row.stage };
        let answered = matches!(says, Says::Cancelled | Says::Wait(Stage::Settle));
        stored.write(worker, stage, &decision, answered);
        all.push(stored);
    }

    /// As `step` and the database do it.
    fn write(&mut self, worker: usize, stage: Stage, decision: &Decision, cancel_answered: bool) {
        if self.workers[worker].fence != self.fence || self.holder != Some(worker) {
            self.laid_down(worker);
            return;
        }
        let marks = marks(position(&self.workers[worker].row), decision);
        self.row = Row {
            stage,
            once: marks.once,
            interrupted: marks.interrupted,
            once_begun: marks.once_begun,
            status: decision.status,
            attempts: decision.attempts,
        };
        if cancel_answered {
            self.cancel = false;
        }
        if decision.error.is_none() {
            self.evidence = false;
        }
        let own = &mut self.workers[worker];
        own.row = Row { interrupted: marks.told, ..self.row };
        own.armed = marks.armed;
        own.doing = Doing::Leased;
        if decision.then != Then::Now {
            self.laid_down(worker);
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.posts > 1 {
            return Err("posted twice");
        }
        match self.row.status {
            JobStatus::Failed | JobStatus::Cancelled if self.posts > 0 => {
                Err("it says not posted, and it was")
            }
            JobStatus::Failed | JobStatus::Cancelled if self.in_flight > 0 => {
                Err("it says not posted, and it may yet be")
            }
            JobStatus::Published if self.posts == 0 => Err("it says posted, and it was not"),
            _ => Ok(()),
        }
    }
}

fn position(row: &Row) -> Position {
    Position {
        once: row.once,
        interrupted: row.interrupted,
        once_begun: row.once_begun,
        ended: row.status.has_ended().then_some(row.status),
        attempts: row.attempts,
    }
}

/// Walks through everything; returns how many states there are.
fn walk(platform: Platform) -> usize {
    let start = World::start();
    let mut known: HashMap<World, usize> = HashMap::from([(start, 0)]);
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut ends = Vec::new();
    let mut came_from: Vec<Option<World>> = vec![None];
    let mut open = VecDeque::from([start]);
    while let Some(world) = open.pop_front() {
        let number = known[&world];
        if let Err(wrong) = world.check() {
            let mut course = vec![world];
            while let Some(earlier) = came_from[known[&course[course.len() - 1]]] {
                course.push(earlier);
            }
            course.reverse();
            panic!("{platform:?}: {wrong}: {course:#?}");
        }
        if world.row.status.has_ended() {
            ends.push(number);
        }
        for next in world.next(platform) {
            let fresh = known.len();
            let index = *known.entry(next).or_insert(fresh);
            if index == fresh {
                before.push(Vec::new());
                came_from.push(Some(world));
                open.push_back(next);
            }
            before[index].push(number);
        }
    }
    // No job is lost: from wherever it stands, its end can be reached.
    let mut can_end: HashSet<usize> = ends.iter().copied().collect();
    let mut open: Vec<usize> = ends;
    while let Some(number) = open.pop() {
        for earlier in &before[number] {
            if can_end.insert(*earlier) {
                open.push(*earlier);
            }
        }
    }
    assert_eq!(can_end.len(), known.len(), "{platform:?}: a job that cannot end");
    known.len()
}

#[test]
fn every_course_posts_at_most_once_and_can_end() {
    for platform in [Platform::Blind, Platform::Keyed, Platform::Lookup] {
        let states = walk(platform);
        println!("{platform:?}: {states} states");
        assert!(states > 1_000, "the walk is a walk: {states}");
    }
}

#[test]
fn a_lost_answer_is_asked_about_a_few_times_and_then_is_unknown() {
    let mut row = Row { stage: Stage::Send, once: true, once_begun: true, ..START };
    for attempt in 1..=LOST_ANSWERS {
        let decision = after_error(position(&row), &Error::new(ErrorKind::OutcomeUnknown, "x"), 0.5);
        let is_last = attempt == LOST_ANSWERS;
        assert_eq!(decision.status == JobStatus::Unknown, is_last, "{attempt}");
        row.attempts = decision.attempts;
        row.interrupted = decision.interrupted;
    }
}
