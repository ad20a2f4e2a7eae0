//! What was measured: a table for people, and the same as JSON, so that two runs can be compared.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// Rows appear as they are measured.
pub(crate) struct Table {
    machine: Value,
    rows: Vec<Value>,
}

impl Table {
    /// Names the machine and its load, and begins the table.
    pub(crate) fn begin() -> Self {
        let machine = machine();
        println!(
            "{}, {} processors, load {}, {} build; medians, in brackets the 10th and the 90th of a hundred.\n",
            text(&machine, "processor"),
            machine.get("processors").unwrap_or(&Value::Null),
            text(&machine, "load"),
            text(&machine, "build"),
        );
        println!("| what | host | native | goal | |\n| --- | --- | --- | --- | --- |");
        Table { machine, rows: Vec::new() }
    }

    /// One row: ours beside its alternative, if it has one.
    pub(crate) fn row(
        &mut self,
        what: &str,
        host: &Figure,
        native: Option<&Figure>,
        goal: &str,
        reached: bool,
    ) {
        let alternative = native.map_or("-", |native| native.text.as_str());
        let word = if reached { "reached" } else { "NOT reached" };
        println!("| {what} | {} | {alternative} | {goal} | {word} |", host.text);
        self.rows.push(json!({
            "what": what,
            "host": host.json,
            "native": native.map(|native| &native.json),
            "goal": goal,
            "reached": reached,
        }));
    }

    /// Writes everything to a file.
    pub(crate) fn write(self, path: &Path) -> Result<()> {
        let all = json!({"machine": self.machine, "load_after": load(), "rows": self.rows});
        std::fs::write(path, serde_json::to_vec_pretty(&all)?)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        println!("\nas JSON: {}", path.display());
        Ok(())
    }
}

/// What was measured, with its spread.
pub(crate) struct Figure {
    pub(crate) text: String,
    json: Value,
    /// The median, in the unit of the figure.
    pub(crate) median: f64,
}

impl Figure {
    /// Of several measurements in one unit.
    pub(crate) fn of(mut values: Vec<f64>, unit: &str) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * values.len().saturating_sub(1) as f64;
            values.get(place.round() as usize).copied().unwrap_or_default()
        };
        let (low, median, high) = (at(0.1), at(0.5), at(0.9));
        let digits = usize::from(median < 10.0);
        let mut text = format!("{median:.digits$} {unit}");
        if values.len() > 1 {
            let _ = write!(text, " ({low:.digits$}–{high:.digits$})");
        }
        let json =
            json!({"median": median, "low": low, "high": high, "unit": unit, "measured": values.len()});
        Figure { text, json, median }
    }

    pub(crate) fn micros(times: &[Duration]) -> Self {
        Figure::of(times.iter().map(|time| time.as_secs_f64() * 1e6).collect(), "µs")
    }

    /// How many a second, of times for so many.
    pub(crate) fn rate(times: &[Duration], many: f64, unit: &str) -> Self {
        Figure::of(times.iter().map(|time| many / time.as_secs_f64()).collect(), unit)
    }

    /// Several at once, for which one number says too little.
    pub(crate) fn told(text: String, json: Value) -> Self {
        Figure { text, json, median: f64::NAN }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn machine() -> Value {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "processor": model.map_or("unknown processor", |(_, name)| name),
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "load": load(),
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
    })
}
