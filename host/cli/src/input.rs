//! Input from the user: files, standard input, values that may be secret.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use console::Term;
use social_channel::model::OptionValue;
use social_channel::{Error, SecretText};

use crate::failure::{unreadable, wrong};

/// The bytes of a file; `-` is standard input.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(|error| unreadable(path, error))
}

/// The text of a file; `-` is standard input.
pub(crate) fn text(path: &Path) -> Result<String, Error> {
    String::from_utf8(bytes(path)?)
        .map_err(|_| wrong(format!("{} is not UTF-8 text", path.display()), "save it as UTF-8"))
}

/// A JSON document; `-` is standard input.
pub(crate) fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_str(&text(path)?).map_err(|error| {
        wrong(format!("{} is not the expected JSON: {error}", path.display()), "fix that member")
    })
}

/// A secret: prompted for without echo, or read from standard input if that is not a terminal.
pub(crate) fn secret(prompt: &str) -> Result<SecretText> {
    value(prompt, true)
}

/// A value: prompted for, or read from standard input if that is not a terminal.
pub(crate) fn value(prompt: &str, secret: bool) -> Result<SecretText> {
    if !std::io::stdin().is_terminal() {
        let text = text(Path::new("-"))?;
        return Ok(SecretText::new(text.trim_end_matches(['\r', '\n'])));
    }
    let term = Term::stderr();
    term.write_str(&format!("{prompt}: "))?;
    let line = if secret { term.read_secure_line()? } else { term.read_line()? };
    Ok(SecretText::new(line))
}

/// Whether prompting is possible.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A yes, typed at the terminal; everything else is a no.
pub(crate) fn agreed(question: &str) -> Result<bool> {
    let term = Term::stderr();
    term.write_str(&format!("{question} [y/N] "))?;
    let line = term.read_line()?;
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// One of several, by its number.
pub(crate) fn choose(prompt: &str, choices: &[String]) -> Result<usize> {
    let term = Term::stderr();
    for (number, choice) in (1..).zip(choices) {
        term.write_line(&format!("  {number}  {choice}"))?;
    }
    loop {
        term.write_str(&format!("{prompt} [1-{}]: ", choices.len()))?;
        let line = term.read_line()?;
        match line.trim().parse::<usize>() {
            Ok(number) if (1..=choices.len()).contains(&number) => return Ok(number - 1),
            _ if line.is_empty() => {
                return Err(wrong("nothing was chosen", "choose one by its number").into());
            }
            _ => {}
        }
    }
}

/// `NAME=VALUE`, for clap.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// The value of a post's option: `true`, `false` and whole numbers have their type, `["a","b"]` is several
/// texts, `"12"` is the text 12; everything else is text.
pub(crate) fn option_value(text: &str) -> OptionValue {
    match text.trim() {
        "true" => OptionValue::Boolean(true),
        "false" => OptionValue::Boolean(false),
        trimmed => {
            if let Ok(number) = trimmed.parse() {
                return OptionValue::Number(number);
            }
            let quoted = trimmed.starts_with('"') || trimmed.starts_with('[');
            match serde_json::from_str(trimmed) {
                Ok(value) if quoted => value,
                _ => OptionValue::Text(text.to_owned()),
            }
        }
    }
}

/// An absolute path: jobs outlive the working directory of a command.
pub(crate) fn absolute(path: &str) -> Result<PathBuf, Error> {
    let path = Path::new(path);
    std::fs::canonicalize(path).map_err(|error| unreadable(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_typed_as_written() {
        for (text, value) in [
            ("true", OptionValue::Boolean(true)),
            ("12", OptionValue::Number(12)),
            ("\"12\"", OptionValue::Text("12".to_owned())),
            ("[\"a\",\"b\"]", OptionValue::TextList(vec!["a".to_owned(), "b".to_owned()])),
            ("[a", OptionValue::Text("[a".to_owned())),
            ("a b", OptionValue::Text("a b".to_owned())),
            ("", OptionValue::Text(String::new())),
        ] {
            assert_eq!(option_value(text), value, "{text}");
        }
    }
}
