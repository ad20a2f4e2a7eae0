//! Developer commands, which are the same locally and in CI.

mod bench;
mod browser;
mod bundled;
mod demo;
mod examples;
mod guests;
mod headers;
mod install;
mod lint;
mod modules;
mod package;
mod run;
mod rust;
mod sbom;
mod simulator;
mod steps;
mod test;
mod wit;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// Installs the database servers of the tests, where they are missing.
fn install_databases() -> Result<()> {
    run::script("tests/mariadb-server/install.sh")?;
    run::script("tests/postgres-server/install.sh")
}

/// Installs an S3 server for the tests, where it is missing.
const S3: &str = "tests/s3-server/install.sh";

/// Installs Bluesky's own servers for the tests, where they are missing.
const BLUESKY: &str = "tests/bluesky-server/install.sh";

/// Installs an OCI registry for the tests, where it is missing.
const REGISTRY: &str = "tests/registry-server/install.sh";

const HELP: &str = "\
Developer commands of Social Channel

Usage: cargo xtask COMMAND

  demo [swap]   connect an account, read it, publish a 70 MB video: against a simulated platform; `swap`: providers are
                replaced while posts of two networks are under way
  test [SUITE]  every suite, or one; with its times. `bluesky` runs only by its name
  lint [STEP]   what can be judged without running anything, or one step of it
  guests        build every component; adds the target wasm32-wasip2 if it is missing
  modules [--write]  draw the modules of each crate; --write: into ARCHITECTURE.md, where it has the marks
  headers       write the C header, the JSON Schemas and the Python classes again from the code
  pictures [FOLDER]  make the pictures of the manuals anew, in docs/pictures
  sbom [FILE]   the bill of materials of what is shipped, as CycloneDX
  wit           copy the contract into each published crate that binds it
  install --prefix DIR  header, libraries, pkg-config, schemas, components, programs
  chaos [--publishes N] [--seed N] [--database sqlite|postgres|mariadb]  kill workers at random (and the
                database's server), break answers, and count the posts
  bench [--debug] [NAME]  measure, side by side with native code (release build, unless --debug); `service [COUNT...]`:
                scheduled posts over HTTP; `store [JOBS]`: what the databases take for one job of many;
                `jobs [DATABASE...]`: jobs a second with one to six workers, and where the time goes; `peers`: beside
                Extism, PHP's curl and Node; `call FILE...`: what a provider costs by itself
";

fn main() -> ExitCode {
    match run_command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the backtrace, which says nothing of a step that failed.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_command() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        bail!("a command is missing\n\n{HELP}");
    };
    match command.as_str() {
        "demo" => demo::run(rest),
        "test" => test::run(rest),
        "lint" => lint::run(rest),
        "guests" => guests::build(),
        "chaos" => {
            guests::build()?;
            install_databases()?;
            run::cargo(["run", "--bin", "chaos", "--"].into_iter().chain(rest.iter().map(String::as_str)))
        }
        "modules" => modules::run(rest),
        "sbom" => sbom::run(rest),
        "wit" => wit::run(),
        "headers" => headers::run(),
        "pictures" => {
            guests::build()?;
            let mut command = std::process::Command::new(run::root().join("tests/browser/run.sh"));
            run::run(command.arg("--pictures").args(rest))
        }
        "install" => install::run(rest),
        "bench" => bench::run(rest),
        // The browser of the demo, for internal use; users run `demo`.
        "browse" => browser::follow(rest.last().map_or("", String::as_str)).map(|_| ()),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("there is no command {other}\n\n{HELP}"),
    }
}
