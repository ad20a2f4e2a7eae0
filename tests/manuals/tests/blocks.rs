//! Every block of code in every page: each is claimed by exactly one line of [`CLAIMS`], which says what runs it. A
//! block that nothing runs is a failure, and so is a line that claims nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the report")]

mod runner;

use std::time::Instant;

use manual_tests::{Block, COMPILED, blocks, pages, root};
use runner::{gate, program, simulator};

/// What runs a block.
enum Runner {
    /// Compiled by `build.rs`.
    Rust,
    /// A drawing; there is nothing to run.
    Drawing,
    /// The suite in this file, which reads the page and runs its blocks.
    Suite(&'static str),
    /// Commands of the gate itself: each is a line of `.ci/run` or run by a suite, as it stands.
    Gate,
    /// Run by this test.
    Here(Story),
}

/// The runs of this test.
#[derive(Clone, Copy)]
enum Story {
    /// Each line starts a service, which then listens.
    Services,
    /// The commands of `README.md`, each by itself.
    CommandLine,
    /// The whole block as a script.
    Script,
    /// A policy file.
    Policy,
    /// A file that says who may sign providers.
    Signers,
    /// The simulator is started with these flags.
    Simulator,
    /// A world of the simulator.
    World,
    /// A fault of the simulator.
    Fault,
}

struct Claim {
    page: &'static str,
    language: &'static str,
    /// How the block begins.
    start: &'static str,
    runner: Runner,
}

const fn claim(page: &'static str, language: &'static str, start: &'static str, runner: Runner) -> Claim {
    Claim { page, language, start, runner }
}

const PHP: &str = "bindings/php/tests/SnippetsTest.php";
const PYTHON: &str = "bindings/python/tests/test_snippets.py";
const INSTALL: &str = "tests/install/run.sh";
const FUZZ: &str = "tests/fuzz/run.sh";
const CLIENTS: &str = "tests/tiktok-simulator/clients/run.py";
const SIMULATOR: &str = "tests/tiktok-simulator/README.md";

use Runner::{Drawing, Gate, Here, Rust, Suite};
use Story::{CommandLine, Fault, Policy, Script, Services, Signers, Simulator, World};

/// A page with an empty `start` claims all its blocks of the language: its suite demands itself that it runs each.
const CLAIMS: &[Claim] = &[
    claim("ARCHITECTURE.md", "text", "", Drawing),
    claim("README.md", "sh", "cargo xtask demo", Gate),
    claim("README.md", "rust", "", Rust),
    claim("README.md", "php", "", Suite(PHP)),
    claim("README.md", "sh", "cargo xtask install", Suite(INSTALL)),
    claim("README.md", "python", "", Suite(PYTHON)),
    claim("README.md", "sh", "social-channel --simulator serve", Here(Services)),
    claim("README.md", "sh", "social-channel providers add", Here(CommandLine)),
    claim("bindings/c/README.md", "sh", "", Suite(INSTALL)),
    claim("bindings/php/README.md", "ini", "", Suite(PHP)),
    claim("bindings/php/README.md", "php", "", Suite(PHP)),
    claim("bindings/php/README.md", "sh", "", Suite(PHP)),
    claim("bindings/python/README.md", "python", "", Suite(PYTHON)),
    claim("bindings/python/README.md", "sh", "", Suite(PYTHON)),
    claim("docs/providers.md", "toml", "[[identities]]", Here(Signers)),
    claim("docs/scaling.md", "text", "", Drawing),
    claim("docs/service.md", "nginx", "", Suite(PHP)),
    claim("docs/service.md", "sh", "", Here(Services)),
    claim("host/README.md", "rust", "", Rust),
    claim("host/cli/README.md", "sh", "", Here(Script)),
    claim("host/cli/README.md", "toml", "", Here(Policy)),
    claim("host/registry/README.md", "rust", "", Rust),
    claim("host/runtime/README.md", "rust", "", Rust),
    claim("host/server/README.md", "rust", "", Rust),
    claim("tests/fuzz/README.md", "sh", "", Suite(FUZZ)),
    claim(SIMULATOR, "json", "{\"match\"", Here(Fault)),
    claim(SIMULATOR, "json", "{\n", Here(World)),
    claim(SIMULATOR, "rust", "", Rust),
    claim(SIMULATOR, "sh", "cargo run -p tiktok-simulator -- ", Here(Simulator)),
    // Its proxy, as the suite starts it.
    claim(SIMULATOR, "sh", "cargo run -p tiktok-simulator --features proxy", Suite(CLIENTS)),
    claim(SIMULATOR, "sh", "python3 tests/", Gate),
];

impl Claim {
    fn covers(&self, block: &Block) -> bool {
        self.page == block.page && self.language == block.language && block.text.starts_with(self.start)
    }
}

/// Ends with an error if the block is wrong.
async fn run(runner: &Runner, block: &Block) -> anyhow::Result<()> {
    match runner {
        Rust => {
            let known = COMPILED.contains(&(block.page.as_str(), block.line));
            anyhow::ensure!(known, "tests/manuals/build.rs does not compile it");
            Ok(())
        }
        Drawing => Ok(()),
        Suite(file) => {
            // It reads the page, which it therefore names: from the root, or one beside or above it by its name.
            let text = std::fs::read_to_string(root().join(file))?;
            let (folder, name) = block.page.rsplit_once('/').unwrap_or(("", &block.page));
            let page = if file.starts_with(folder) { name } else { &block.page };
            anyhow::ensure!(text.contains(page), "{file} does not read {page}");
            Ok(())
        }
        Gate => gate::check(block),
        Here(Services) => program::services(block).await,
        Here(CommandLine) => program::command_line(block).await,
        Here(Script) => program::script(block).await,
        Here(Policy) => program::policy(block).await,
        Here(Signers) => program::signers(block).await,
        Here(Simulator) => simulator::flags(block).await,
        Here(World) => simulator::world(block).await,
        Here(Fault) => simulator::fault(block).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_block_of_every_page_is_run() {
    let mut wrong = Vec::new();
    let mut used = vec![false; CLAIMS.len()];
    for page in pages().unwrap() {
        for block in blocks(&page).unwrap() {
            let place = format!("{}:{}", block.page, block.line);
            let claims: Vec<usize> = (0..CLAIMS.len()).filter(|at| CLAIMS[*at].covers(&block)).collect();
            let [at] = claims[..] else {
                wrong.push(format!("{place}: {} lines of CLAIMS say what runs this block", claims.len()));
                continue;
            };
            used[at] = true;
            let began = Instant::now();
            if let Err(error) = run(&CLAIMS[at].runner, &block).await {
                wrong.push(format!("{place}: {error:#}"));
            }
            println!("{place}: {:.1} s", began.elapsed().as_secs_f32());
        }
    }
    for (claim, _) in CLAIMS.iter().zip(used).filter(|(_, used)| !used) {
        wrong.push(format!("{}: no block `{}` begins with {:?}", claim.page, claim.language, claim.start));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
