//! Exhaustive model checking of two workers, one job and a platform: every course is explored, nothing is sampled.
//!
//! The search is breadth first over all states (worlds) that [`World::next`] returns, for platforms of three kinds.
//! Faults are bounded (two deaths, one cancellation, ...), failed calls are not. [`World::check`] must hold in every
//! world. A final status must be reachable from every world; after the deadline, every path must lead to one.
//!
//! Deliberately broken rules show that the search finds violations.

mod world;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use self::world::{Kind, REAL, Rules, Scope, Time, World};
use super::decide::*;
use crate::store::JobStatus;
use social_channel_runtime::error::{Error, ErrorKind};
use social_channel_runtime::{Effect, NextStep};

const KINDS: [Kind; 3] = [Kind::Pull, Kind::Upload, Kind::Keyed];

/// The explored worlds.
struct Walk {
    worlds: Vec<World>,
    /// Transitions between worlds.
    steps: Vec<(u32, u32)>,
    came_from: Vec<u32>,
    /// The first world that violates a check, and the violated check.
    wrong: Option<(usize, &'static str)>,
}

impl Walk {
    /// Explores all worlds; stops at the first violation that `looks_for` selects.
    fn through(kind: Kind, scope: Scope, rules: &Rules, looks_for: fn(&str) -> bool) -> Self {
        let start = World::start(scope);
        let mut known: HashMap<World, u32, BuildHasherDefault<Quick>> = HashMap::default();
        known.insert(start, 0);
        let mut walk = Walk { worlds: vec![start], steps: Vec::new(), came_from: vec![0], wrong: None };
        let mut number = 0;
        while let Some(world) = walk.worlds.get(number).copied() {
            if let Err(wrong) = world.check(kind, scope)
                && looks_for(wrong)
            {
                walk.wrong = Some((number, wrong));
                return walk;
            }
            for next in world.next(kind, rules) {
                let index = match known.entry(next) {
                    Entry::Occupied(entry) => *entry.get(),
                    Entry::Vacant(entry) => {
                        let index = u32::try_from(walk.worlds.len()).unwrap();
                        entry.insert(index);
                        walk.worlds.push(next);
                        walk.came_from.push(number as u32);
                        index
                    }
                };
                walk.steps.push((number as u32, index));
            }
            number += 1;
        }
        walk
    }

    /// The shortest path to a world.
    fn course(&self, to: usize) -> Vec<&World> {
        let mut course = vec![&self.worlds[to]];
        let mut at = to;
        while at != 0 {
            at = self.came_from[at] as usize;
            course.push(&self.worlds[at]);
        }
        course.reverse();
        course
    }

    fn assert_held(&self, kind: Kind) {
        if let Some((at, wrong)) = self.wrong {
            panic!("{kind:?}: {wrong}: {:#?}", self.course(at));
        }
    }

    /// No job is lost: its end is reachable from every world.
    fn assert_ends_are_near(&self, kind: Kind) {
        let mut before = vec![Vec::new(); self.worlds.len()];
        for (from, to) in &self.steps {
            before[*to as usize].push(*from);
        }
        let mut can_end: Vec<bool> = self.worlds.iter().map(has_ended).collect();
        let mut open: Vec<usize> = (0..self.worlds.len()).filter(|index| can_end[*index]).collect();
        while let Some(number) = open.pop() {
            for earlier in &before[number] {
                let earlier = *earlier as usize;
                if !can_end[earlier] {
                    can_end[earlier] = true;
                    open.push(earlier);
                }
            }
        }
        if let Some(stuck) = can_end.iter().position(|can_end| !can_end) {
            panic!("{kind:?}: a job that cannot end: {:#?}", self.course(stuck));
        }
    }

    /// After the deadline there are no cycles: every path reaches an end.
    fn assert_time_ends_all(&self, kind: Kind) {
        let is_open = |index: u32| {
            let world = &self.worlds[index as usize];
            world.time == Time::Over && !has_ended(world)
        };
        // Repeatedly removes worlds without open predecessors; a cycle would remain.
        let mut after = vec![Vec::new(); self.worlds.len()];
        let mut ways_in = vec![0_u32; self.worlds.len()];
        for (from, to) in self.steps.iter().filter(|(from, to)| is_open(*from) && is_open(*to)) {
            after[*from as usize].push(*to);
            ways_in[*to as usize] += 1;
        }
        let mut left = (0..self.worlds.len() as u32).filter(|index| is_open(*index)).count();
        let mut free: Vec<u32> = (0..self.worlds.len() as u32)
            .filter(|index| is_open(*index) && ways_in[*index as usize] == 0)
            .collect();
        assert!(left > 0, "{kind:?}: the time was never over");
        while let Some(index) = free.pop() {
            left -= 1;
            for next in &after[index as usize] {
                ways_in[*next as usize] -= 1;
                if ways_in[*next as usize] == 0 {
                    free.push(*next);
                }
            }
        }
        if left > 0 {
            let round = (0..self.worlds.len()).find(|index| ways_in[*index] > 0).unwrap();
            panic!("{kind:?}: {left} worlds form a cycle: {:#?}", self.course(round));
        }
    }
}

fn has_ended(world: &World) -> bool {
    world.row.status.has_ended()
}

/// The combinations of faults. All faults at once would be too many worlds for a test.
const SCOPES: [(&str, Scope); 10] = [
    ("crashes", Scope { deaths: 2, ..QUIET }),
    ("a webhook", Scope { deaths: 1, webhooks: 1, resolves: true, ..QUIET }),
    ("webhooks", Scope { webhooks: 2, resolves: true, ..QUIET }),
    ("time", Scope { deaths: 1, time: true, refusals: true, ..QUIET }),
    ("cancel", Scope { deaths: 1, cancels: 1, ..QUIET }),
    ("shutdown", Scope { cancels: 1, shutdowns: 2, ..QUIET }),
    ("change", Scope { deaths: 1, changes: 1, ..QUIET }),
    ("change and cancel", Scope { cancels: 1, changes: 1, ..QUIET }),
    ("move", Scope { deaths: 1, moves: 1, ..QUIET }),
    ("move and cancel", Scope { cancels: 1, moves: 1, shutdowns: 1, ..QUIET }),
];

const QUIET: Scope = Scope {
    deaths: 0,
    shutdowns: 0,
    cancels: 0,
    webhooks: 0,
    changes: 0,
    moves: 0,
    time: false,
    refusals: false,
    resolves: false,
};

fn every_course_of(kind: Kind) {
    for (name, scope) in SCOPES {
        let walk = Walk::through(kind, scope, &REAL, |_| true);
        println!("{name}, {kind:?}: {} worlds, {} steps", walk.worlds.len(), walk.steps.len());
        walk.assert_held(kind);
        walk.assert_ends_are_near(kind);
        if scope.time {
            walk.assert_time_ends_all(kind);
        }
        for status in [JobStatus::Published, JobStatus::Paused] {
            assert!(walk.worlds.iter().any(|world| world.row.status == status), "{name} {kind:?} {status:?}");
        }
    }
}

// One test for each, so that they run in parallel.

#[test]
fn every_course_of_a_pull_posts_at_most_once_says_the_truth_and_ends() {
    every_course_of(Kind::Pull);
}

#[test]
fn every_course_of_an_upload_posts_at_most_once_says_the_truth_and_ends() {
    every_course_of(Kind::Upload);
}

#[test]
fn every_course_of_a_request_with_a_key_posts_at_most_once_says_the_truth_and_ends() {
    every_course_of(Kind::Keyed);
}

/// Whether the search finds this violation with broken rules, in any scope and kind.
fn finds(rules: &Rules, looks_for: fn(&str) -> bool) -> bool {
    SCOPES.iter().any(|(_, scope)| {
        KINDS.iter().any(|kind| Walk::through(*kind, *scope, rules, looks_for).wrong.is_some())
    })
}

fn posted_twice(wrong: &str) -> bool {
    wrong == "posted twice"
}

#[test]
fn an_interrupted_call_that_is_not_told_so_would_post_twice() {
    let wrong = Rules { is_interrupted: |_| false, ..REAL };
    assert!(finds(&wrong, posted_twice));
}

#[test]
fn an_ended_job_that_is_not_told_so_would_post_twice() {
    let wrong = Rules { is_interrupted: |position| position.interrupted, ..REAL };
    assert!(finds(&wrong, posted_twice));
}

#[test]
fn an_intent_that_is_not_on_disk_would_post_twice() {
    let wrong = Rules {
        marks: |position, decision| {
            let right = marks(position, decision);
            Marks { interrupted: decision.interrupted, may_have_posted: position.may_have_posted, ..right }
        },
        ..REAL
    };
    assert!(finds(&wrong, posted_twice));
}

#[test]
fn a_lost_answer_that_is_taken_for_none_would_post_twice() {
    let wrong = Rules {
        after_error: |position, error, spread| Decision {
            interrupted: position.interrupted,
            ..after_error(position, error, spread)
        },
        ..REAL
    };
    assert!(finds(&wrong, posted_twice));
}

#[test]
fn a_call_that_is_made_before_its_intent_is_noted_would_post_twice() {
    let wrong = Rules {
        act: |position, context| match act(position, context) {
            Act::RecordIntent => Act::Continue,
            right => right,
        },
        ..REAL
    };
    assert!(finds(&wrong, posted_twice));
}

#[test]
fn a_worker_that_writes_without_its_lease_would_post_twice() {
    assert!(finds(&Rules { fence: false, ..REAL }, posted_twice));
}

#[test]
fn an_end_that_knows_no_unknown_would_say_what_is_not_true() {
    let wrong = Rules {
        ended: |position, error| Decision { status: JobStatus::Failed, ..ended(position, error) },
        ..REAL
    };
    assert!(finds(&wrong, |wrong| wrong == "it says not posted, and it was"));
}

#[test]
fn an_idempotent_call_that_counts_for_none_would_say_what_is_not_true() {
    let wrong = Rules {
        after_step: |position, next| match next {
            NextStep::Proceed(Effect::Idempotent) => after_step(position, &NextStep::Proceed(Effect::Safe)),
            next => after_step(position, next),
        },
        ..REAL
    };
    let finds = |looks_for| {
        SCOPES.iter().any(|(_, scope)| Walk::through(Kind::Keyed, *scope, &wrong, looks_for).wrong.is_some())
    };
    assert!(finds(|wrong| wrong.starts_with("it says not posted")));
    // Nothing is posted twice by it: that is what its key is for.
    assert!(!finds(posted_twice));
}

#[test]
fn evidence_that_a_failed_call_uses_up_would_be_forgotten() {
    let wrong = Rules { keeps_evidence: false, ..REAL };
    assert!(finds(&wrong, |wrong| wrong.contains("it was lost")));
}

#[test]
fn a_wish_to_cancel_that_an_error_ends_would_post_after_it() {
    let wrong = Rules {
        after_cancel: |position, answer| match answer {
            Ok(next) => after_step(position, next),
            Err(_) => unchanged(position),
        },
        ..REAL
    };
    assert!(finds(&wrong, |wrong| wrong.starts_with("cancelled before")));
}

#[test]
fn a_lost_answer_is_asked_about_a_few_times_and_then_is_unknown() {
    let mut position = Position {
        may_post: true,
        idempotent: false,
        interrupted: false,
        may_have_posted: true,
        is_out: false,
        ended: None,
        attempts: 0,
        moved: false,
    };
    for attempt in 1..=LOST_ANSWERS {
        let decision = after_error(position, &Error::new(ErrorKind::OutcomeUnknown, "x"), 0.5);
        assert_eq!(decision.status == JobStatus::Unknown, attempt == LOST_ANSWERS, "{attempt}");
        position.attempts = decision.attempts;
        position.interrupted = decision.interrupted;
    }
}

/// Multiply and rotate: fast, and good enough for hashing worlds.
#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.cast_unsigned() as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}
