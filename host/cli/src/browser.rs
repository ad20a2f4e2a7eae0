//! Opens a page in the user's browser, or says why it cannot.

use std::process::Stdio;

use tokio::process::Command;

/// Opens the URL with `command`, otherwise with the system's default.
///
/// # Errors
/// A sentence that says why no browser was opened.
pub(crate) async fn open(url: &str, command: Option<&str>) -> Result<(), String> {
    let mut words = match command {
        // Split at spaces, as is usual for $BROWSER; the URL is not passed through a shell.
        Some(command) => command.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        None => system().ok_or_else(|| "this machine has no display".to_owned())?,
    };
    match words.iter_mut().find(|word| word.as_str() == "%s") {
        Some(place) => url.clone_into(place),
        None => words.push(url.to_owned()),
    }
    let (program, arguments) = words.split_first().ok_or_else(|| "no program was named".to_owned())?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    // A browser may stay open; if it fails, it fails at once.
    match tokio::time::timeout(std::time::Duration::from_secs(2), child.wait()).await {
        Ok(Ok(status)) if !status.success() => Err(format!("{program} ended with {status}")),
        _ => Ok(()),
    }
}

fn system() -> Option<Vec<String>> {
    let words: &[&str] = if cfg!(target_os = "macos") {
        &["open"]
    } else if cfg!(windows) {
        &["rundll32", "url.dll,FileProtocolHandler"]
    } else {
        let shown = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
        if !shown {
            return None;
        }
        &["xdg-open"]
    };
    Some(words.iter().map(|&word| word.to_owned()).collect())
}
