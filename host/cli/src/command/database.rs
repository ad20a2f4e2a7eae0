//! `database`: move everything to another one, and look at one.

use anyhow::Result;
use clap::Subcommand;
use social_channel::model::Severity;
use social_channel::{Database, copy_database};

use crate::failure::wrong;
use crate::global::Global;
use crate::output::{Column, finding, table};
use crate::session::Place;

/// Commands below `database`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Move everything to a new database; afterwards the old one is refused. Stop all processes before
    Copy {
        /// The source: a path, or postgres://USER:PASSWORD@HOST/DATABASE; default: the file in the data folder
        #[arg(long, value_name = "DATABASE")]
        from: Option<Database>,
        /// The target, which must be empty; default: the database of --database or SOCIAL_CHANNEL_DATABASE
        #[arg(long, value_name = "DATABASE")]
        to: Option<Database>,
        /// Leave the source in use, for a trial; two databases in use post twice
        #[arg(long)]
        keep_source: bool,
    },
    /// Check the database: schema, key, damage, settings that lose data, clock
    Check,
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<u8> {
    let place = Place::find(global).await?;
    match command {
        Command::Copy { from, to, keep_source } => {
            let from = from.unwrap_or_else(|| place.file());
            let to = to.or_else(|| global.database.clone()).ok_or_else(|| {
                wrong("there is no target", "name it with --to, --database or SOCIAL_CHANNEL_DATABASE")
            })?;
            let (output, mut last) = (place.output, String::new());
            let told = |name: &str, _: u64| {
                if last != name {
                    name.clone_into(&mut last);
                    output.note(&format!("moving {name}"));
                }
            };
            let copied = copy_database(&from, &to, keep_source, told).await?;
            output.answer(&copied, |copied| {
                let rows = copied.iter().map(|one| vec![one.table.clone(), one.rows.to_string()]).collect();
                table(&[Column::Text("table"), Column::Number("rows")], rows)
            })?;
            output.note(&format!("everything is in {to}, and was compared; it needs the same master key"));
            if !keep_source {
                output.note(&format!(
                    "{from} is refused from now on; uploads are files, and stay where they are"
                ));
            }
            Ok(0)
        }
        Command::Check => {
            let findings = place.builder().check_database().await;
            let is_bad = findings.iter().any(|found| found.severity == Severity::Error);
            place
                .output
                .answer(&findings, |findings| findings.iter().map(finding).collect::<Vec<_>>().join("\n"))?;
            Ok(u8::from(is_bad))
        }
    }
}
