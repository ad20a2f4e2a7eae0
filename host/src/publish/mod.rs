//! Publish jobs: stored before anything is sent, run step by step, and continued after any crash.
//!
//! `publisher` is what they share. `submit` stores them, within `bounds` and if the account's form takes them (`offer`, `forms`), `check` says before what a publish would refuse, `manage` is what people do with them, `job` has their words.
//! `worker` looks for due jobs, and for those of the `background`, and shares its `runs` among tenants; `run` drives one under its lease (a `job_run`),
//! `preflight` looks first whether a call may be made, `step` stores what came of it, `decide` is the table of what follows
//! from an answer, `watch` tells who follows one.

mod background;
mod bounds;
mod check;
mod decide;
mod dry_call;
mod forms;
mod job;
mod job_run;
mod manage;
#[cfg(test)]
mod model_check;
mod offer;
mod preflight;
mod publisher;
mod request;
mod run;
mod runs;
mod step;
mod submit;
mod watch;
mod worker;

pub use job::{Job, JobChange, PRIORITIES, PublishRequest, Resolution};
pub(crate) use publisher::{PublishOptions, PublishParts, Publisher};
pub use watch::{JobWatch, JobsWatch};
