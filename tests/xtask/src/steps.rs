//! Steps of a command, run in order, with their times, so that slow steps are visible.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::run;

/// A step, and how it is run.
pub(crate) type Step = (&'static str, fn() -> Result<()>);

/// How a step ended, and when.
enum End {
    Done(Duration),
    Failed(Duration),
    NotRun,
}

/// The steps that `only` names, or all.
pub(crate) fn chosen(what: &str, steps: &[Step], only: &[String]) -> Result<Vec<Step>> {
    if let Some(unknown) = only.iter().find(|name| steps.iter().all(|(step, _)| step != name)) {
        let known: Vec<&str> = steps.iter().map(|(step, _)| *step).collect();
        bail!("there is no {what} {unknown}; there are {}", known.join(", "));
    }
    Ok(steps
        .iter()
        .copied()
        .filter(|(step, _)| only.is_empty() || only.iter().any(|it| it == step))
        .collect())
}

/// Runs them. A failure of a `needed` step ends the run; the others all run, so that one run reports all failures.
/// The table of times is always printed.
pub(crate) fn run(needed: &[Step], others: &[Step]) -> Result<()> {
    let mut ends = Vec::new();
    let mut failed = Vec::new();
    let mut stopped = false;
    let steps = needed.iter().map(|step| (step, true)).chain(others.iter().map(|step| (step, false)));
    for ((name, step), is_needed) in steps {
        if stopped {
            ends.push((*name, End::NotRun));
            continue;
        }
        run::title(name);
        let begin = Instant::now();
        let result = step();
        let took = begin.elapsed();
        eprintln!("== {name}: {}", seconds(took));
        match result {
            Ok(()) => ends.push((*name, End::Done(took))),
            Err(error) => {
                eprintln!("error: {name}: {error:#}");
                failed.push(*name);
                stopped = is_needed;
                ends.push((*name, End::Failed(took)));
            }
        }
    }
    eprint!("\n{}", table(&ends));
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

fn table(ends: &[(&str, End)]) -> String {
    let width = ends.iter().map(|(name, _)| name.len()).max().unwrap_or_default().max("total".len());
    let row = |name: &str, time: String, note: &str| format!("   {name:width$} {time:>8}{note}\n");
    let mut text = String::new();
    let mut total = Duration::ZERO;
    for (name, end) in ends {
        let (time, note) = match end {
            End::Done(took) => (Some(*took), ""),
            End::Failed(took) => (Some(*took), "  failed"),
            End::NotRun => (None, "  not run"),
        };
        total += time.unwrap_or_default();
        text.push_str(&row(name, time.map_or("-".to_owned(), seconds), note));
    }
    text + &row("total", seconds(total), "")
}

/// Seconds, with tenths for short times.
pub(crate) fn seconds(time: Duration) -> String {
    if time.as_secs() < 10 { format!("{:.1} s", time.as_secs_f64()) } else { format!("{} s", time.as_secs()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_failures_and_what_was_not_run() {
        let ends = [
            ("rust", End::Done(Duration::from_millis(1_190_400))),
            ("php", End::Failed(Duration::from_millis(1_250))),
            ("python", End::NotRun),
        ];
        assert_eq!(
            table(&ends),
            "   rust     1190 s\n   php       1.2 s  failed\n   python        -  not run\n   total    1191 s\n"
        );
    }

    #[test]
    fn a_failure_of_what_all_need_ends_the_steps() {
        let steps: [Step; 2] = [("first", || bail!("no")), ("second", || panic!("was run"))];
        assert_eq!(run(&steps, &steps).unwrap_err().to_string(), "failed: first");
    }

    #[test]
    fn a_failure_of_one_hides_no_other() {
        let steps: [Step; 3] = [("first", || bail!("no")), ("second", || Ok(())), ("third", || bail!("no"))];
        assert_eq!(run(&[], &steps).unwrap_err().to_string(), "failed: first, third");
    }

    #[test]
    fn only_what_is_named_is_run_and_must_be_known() {
        let steps: [Step; 2] = [("first", || bail!("no")), ("second", || Ok(()))];
        run(&[], &chosen("suite", &steps, &["second".to_owned()]).unwrap()).unwrap();
        let error = chosen("suite", &steps, &["third".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "there is no suite third; there are first, second");
    }
}
