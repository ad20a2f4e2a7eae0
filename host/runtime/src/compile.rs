//! Compiles components: in this process, or in a child process with limits of memory and time.
//!
//! Some components within the limits of [`crate::structure`] still cost a compiler gigabytes or minutes. A child process
//! can be stopped then, and its memory is returned. The child is the program `social-channel`, whose hidden command
//! `compile-component` calls [`compile_for_parent`]: it reads the component from standard input and writes the code, or the
//! error, to standard output. Its standard input stays open until it has answered, so that it ends with its parent.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::str::FromStr;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::cache::fingerprint;
use crate::configuration::{Room, config};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{LARGEST_COMPONENT, Limits};

/// Where components are compiled. Compiled code that the cache has is used in every case, and the limits of a
/// component's structure hold in every case.
///
/// As text: `in_process`, `cached`, or the path of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
#[non_exhaustive]
pub enum Compile {
    /// In this process. A component that was made for it can still take gigabytes and minutes, and stopping has no effect.
    #[default]
    InProcess,
    /// In a child process, by the `social-channel` of the same version at this path. It has limits of memory (on Linux) and
    /// time, and ends when loading is stopped.
    Program(PathBuf),
    /// Nowhere: a component is usable if its code is in the cache, for example by `social-channel providers add`
    /// with the same data folder.
    Cached,
}

impl FromStr for Compile {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "in_process" => Ok(Compile::InProcess),
            "cached" => Ok(Compile::Cached),
            // A name alone would be looked for in folders that a variable lists.
            path if Path::new(path).is_absolute() => Ok(Compile::Program(PathBuf::from(path))),
            _ => Err(Error::new(ErrorKind::InvalidRequest, format!("`{text}` is no way to compile"))
                .with_field("compile")
                .with_remedy("write `in_process`, `cached`, or the absolute path of a `social-channel`")),
        }
    }
}

impl TryFrom<String> for Compile {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// The hidden command of `social-channel`.
const COMMAND: &str = "compile-component";
/// First byte of an answer that continues with compiled code.
const CODE: u8 = b'+';
/// First byte of an answer that continues with an error as JSON.
const ERROR: u8 = b'-';

/// What a child is asked, as its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The [`fingerprint`] of the engine that will run the code, in hexadecimal digits.
    pub(crate) engine: String,
    pub(crate) room: Room,
    pub(crate) memory: u64,
}

impl Request {
    fn arguments(&self) -> [String; 3] {
        let room = match self.room {
            Room::Pool => "pool",
            Room::Narrow => "narrow",
        };
        [self.engine.clone(), room.to_owned(), self.memory.to_string()]
    }

    fn parse(arguments: &[String]) -> Option<Self> {
        let [engine, room, memory] = arguments else { return None };
        let room = match room.as_str() {
            "pool" => Room::Pool,
            "narrow" => Room::Narrow,
            _ => return None,
        };
        Some(Request { engine: engine.clone(), room, memory: memory.parse().ok()? })
    }
}

/// The error if the component itself cannot be compiled.
pub(crate) fn unusable(error: wasmtime::Error) -> Error {
    Error::new(ErrorKind::LoadFailed, "the component cannot be compiled")
        .with_remedy("Build the provider again with current tools, or copy the file again.")
        .with_source(error.into_boxed_dyn_error())
}

/// The error if nothing here compiles components, and the cache does not have the code.
pub(crate) fn not_cached() -> Error {
    Error::new(
        ErrorKind::LoadFailed,
        "the provider is not compiled yet, and this program compiles none itself",
    )
    .with_remedy("Add it once by a program that compiles and uses the same data folder.")
}

// ---- the parent -----------------------------------------------------------------------------

/// Has a child process compile a component. If the future is dropped, the child is killed.
pub(crate) async fn by_program(
    program: &Path,
    request: &Request,
    limits: &Limits,
    component: &[u8],
) -> Result<Vec<u8>> {
    let child = Command::new(program)
        .arg(COMMAND)
        .args(request.arguments())
        // It needs none of this process's variables, some of which are secret.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| no_compiler(program, error))?;
    match tokio::time::timeout(limits.compile_time, answer(child, component)).await {
        Ok(answered) => {
            let (answer, status) = answered.map_err(|error| no_compiler(program, error))?;
            code(program, answer, status, limits)
        }
        Err(_) => Err(exceeded(format!("takes longer than {} seconds", limits.compile_time.as_secs_f64()))),
    }
}

async fn answer(mut child: Child, component: &[u8]) -> io::Result<(Vec<u8>, ExitStatus)> {
    let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("no pipes"));
    };
    let mut answer = Vec::new();
    let sent = async {
        input.write_all(&(component.len() as u64).to_le_bytes()).await?;
        input.write_all(component).await?;
        input.flush().await
    };
    // A child that fails early does not read everything; then its answer says why.
    let (_, read) = tokio::join!(sent, output.read_to_end(&mut answer));
    read?;
    drop(input);
    Ok((answer, child.wait().await?))
}

/// The code in a child's answer.
fn code(program: &Path, mut answer: Vec<u8>, status: ExitStatus, limits: &Limits) -> Result<Vec<u8>> {
    match answer.first() {
        Some(&CODE) if status.success() => {
            answer.remove(0);
            Ok(answer)
        }
        Some(&ERROR) => Err(answer
            .get(1..)
            .and_then(|text| serde_json::from_slice(text).ok())
            .unwrap_or_else(|| no_compiler(program, io::Error::other("it answered in another form")))),
        _ if ran_out_of_memory(status) => {
            Err(exceeded(format!("needs more than {} MiB of memory", limits.compile_memory >> 20)))
        }
        _ => Err(no_compiler(program, io::Error::other(status.to_string()))),
    }
}

/// A failed allocation aborts; the system kills what has taken too much.
#[cfg(unix)]
fn ran_out_of_memory(status: ExitStatus) -> bool {
    use rustix::process::Signal;
    use std::os::unix::process::ExitStatusExt as _;

    [Signal::ABORT, Signal::KILL].iter().any(|signal| status.signal() == Some(signal.as_raw()))
}

#[cfg(not(unix))]
fn ran_out_of_memory(_: ExitStatus) -> bool {
    false
}

fn exceeded(what: String) -> Error {
    Error::new(ErrorKind::LimitExceeded, format!("compiling the component {what}")).with_remedy(
        "Build the provider with optimisation and fewer libraries, or raise the limits for compiling.",
    )
}

fn no_compiler(program: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Misconfigured, format!("{} does not compile providers: {error}", program.display()))
        .with_field("compile")
        .with_remedy("Name a `social-channel` of the same version, or choose another way to compile.")
}

// ---- the child ------------------------------------------------------------------------------

/// Compiles for a parent process, see [`Compile::Program`]. Only `social-channel compile-component` calls this: it sets limits for
/// the whole process, and ends it when the parent is gone. Returns whether the answer could be written.
pub fn compile_for_parent(arguments: &[String]) -> bool {
    let mut output = io::stdout().lock();
    let mut write = |kind: u8, rest: &[u8]| {
        output.write_all(&[kind]).and_then(|()| output.write_all(rest)).and_then(|()| output.flush()).is_ok()
    };
    match compile(arguments) {
        Ok(code) => write(CODE, &code),
        Err(error) => write(ERROR, &serde_json::to_vec(&error).unwrap_or_default()),
    }
}

fn compile(arguments: &[String]) -> Result<Vec<u8>> {
    let request = Request::parse(arguments).ok_or_else(other_version)?;
    restrict(request.memory);
    let engine = wasmtime::Engine::new(&config(&Limits::default(), request.room, false)).map_err(unusable)?;
    if hex::encode(fingerprint(&engine)) != request.engine {
        return Err(other_version());
    }
    let component =
        received().map_err(|error| Error::internal("the component did not arrive").with_source(error))?;
    std::thread::spawn(end_with_parent);
    engine.precompile_component(&component).map_err(unusable)
}

fn other_version() -> Error {
    let message = "the program that compiles is of another version than the one that asks";
    Error::new(ErrorKind::Incompatible, message)
        .with_field("compile")
        .with_remedy("Install the same version of both, and restart what runs.")
}

fn received() -> io::Result<Vec<u8>> {
    let mut input = io::stdin().lock();
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > LARGEST_COMPONENT as u64 {
        return Err(io::Error::other("it is too large"));
    }
    let mut component = Vec::new();
    input.take(length).read_to_end(&mut component)?;
    Ok(component)
}

/// The parent closes its end when it is done, and the system closes it when the parent is gone.
fn end_with_parent() {
    let _ = io::stdin().read(&mut [0]);
    std::process::exit(1);
}

/// Limits the memory that this process can write to, and lets others go first.
#[cfg(unix)]
fn restrict(memory: u64) {
    use rustix::process::{Resource, Rlimit, nice, setrlimit};

    let to = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    for (what, bytes) in [(Resource::Data, memory), (Resource::Core, 0)] {
        if let Err(error) = setrlimit(what, to(bytes)) {
            tracing::warn!(%error, "a limit for compiling cannot be set");
        }
    }
    // As far as it goes: compiling in the background must not slow what people wait for.
    let _ = nice(10);
}

#[cfg(not(unix))]
fn restrict(_: u64) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_compile_is_read_from_text() {
        let read = |text: &str| serde_json::from_value::<Compile>(text.into());
        assert_eq!(read("in_process").unwrap(), Compile::InProcess);
        assert_eq!(read("cached").unwrap(), Compile::Cached);
        assert_eq!(
            read("/usr/bin/social-channel").unwrap(),
            Compile::Program("/usr/bin/social-channel".into())
        );
        for text in ["", "social-channel", "./social-channel", "never"] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("is no way to compile"), "{error}");
        }
    }

    #[test]
    fn a_request_survives_its_arguments() {
        for room in [Room::Pool, Room::Narrow] {
            let request = Request { engine: "00ff".to_owned(), room, memory: 1 << 30 };
            assert_eq!(Request::parse(&request.arguments()), Some(request));
        }
        assert_eq!(Request::parse(&[]), None);
        assert_eq!(Request::parse(&["00".into(), "wide".into(), "1".into()]), None);
    }
}
