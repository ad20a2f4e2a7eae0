//! What one family of formats says, and how its parsers are kept from doing harm.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::super::reference::Facts;
use super::damage::Damage;

/// What one family of formats says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Looked {
    pub(super) facts: Facts,
    pub(super) damage: Option<Damage>,
}

/// What a parser says; one that panics has told nothing, and that is all.
pub(super) fn survived<T: Default>(parse: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_default()
}

/// To thousandths, so that 30000/1001 reads 29.97.
pub(super) fn rounded(rate: f64) -> Option<f64> {
    (rate.is_finite() && rate > 0.0 && rate < 10_000.0).then(|| (rate * 1000.0).round() / 1000.0)
}
