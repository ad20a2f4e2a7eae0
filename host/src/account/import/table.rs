//! Rows from a file: CSV with a head, or JSON lines.
//!
//! | column of CSV | member of a line of JSON | |
//! | --- | --- | --- |
//! | `account-id` or `account_id` | `account_id` | the platform's id of the account |
//! | `reference` | `reference` | the caller's own name for the row |
//! | any other | any other, or within `inputs` | a connect input of the provider |
//!
//! An empty cell is no value. Errors name lines and columns, never what stands there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use social_channel_runtime::error::{Error, ErrorKind, Result};

use super::{IMPORT_ROWS, ImportRow};

/// How rows are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableFormat {
    /// Comma-separated values, with a line of names first.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

impl ImportRow {
    /// Reads the rows of a file.
    ///
    /// # Errors
    /// `InvalidRequest`: what is wrong and in which line, without anything that stands there.
    pub fn read(format: TableFormat, bytes: &[u8]) -> Result<Vec<ImportRow>> {
        // Spreadsheets begin their files with it.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let rows = match format {
            TableFormat::Csv => csv(bytes),
            TableFormat::Jsonl => jsonl(bytes),
        }?;
        if rows.len() > IMPORT_ROWS {
            return Err(wrong(format!("the file has more than {IMPORT_ROWS} rows"))
                .with_remedy("import it in several parts"));
        }
        Ok(rows)
    }

    fn set(&mut self, name: &str, value: &str) {
        match name {
            _ if value.is_empty() => {}
            "account-id" | "account_id" => self.account_id = Some(value.to_owned()),
            "reference" => self.reference = Some(value.to_owned()),
            input => drop(self.inputs.insert(input.to_owned(), value.into())),
        }
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

fn csv(bytes: &[u8]) -> Result<Vec<ImportRow>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let unreadable = |error: &csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        let why = match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("it has {len} cells, and the first line names {expected_len} columns")
            }
            csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
            _ => "it is not CSV".to_owned(),
        };
        wrong(format!("line {line} of the table cannot be read: {why}")).with_remedy(
            "write comma-separated values in UTF-8, with the names of the columns in the first line",
        )
    };
    let head = reader.headers().map_err(|error| unreadable(&error))?.clone();
    let mut names: BTreeMap<&str, ()> = BTreeMap::new();
    for name in &head {
        // Without a line of names, the first token would be taken for one: it is not repeated here.
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_name) {
            return Err(wrong("the first line of the table does not name its columns".to_owned())
                .with_remedy("begin with a line such as `account-id,refresh-token,reference`"));
        }
        if names.insert(name, ()).is_some() {
            return Err(wrong(format!("the column {name} comes twice")));
        }
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(&error))?;
        let mut row = ImportRow::default();
        for (name, value) in head.iter().zip(&record) {
            row.set(name, value);
        }
        rows.push(row);
        if rows.len() > IMPORT_ROWS {
            break;
        }
    }
    Ok(rows)
}

fn jsonl(bytes: &[u8]) -> Result<Vec<ImportRow>> {
    let mut rows = Vec::new();
    for (place, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let number = place + 1;
        let unreadable = |why: &str| {
            wrong(format!("line {number} cannot be read: {why}"))
                .with_remedy(r#"write one object a line, such as {"account_id": "…", "refresh-token": "…"}"#)
        };
        let Ok(Value::Object(members)) = serde_json::from_slice(line) else {
            return Err(unreadable("it is not a JSON object"));
        };
        let mut row = ImportRow::default();
        for (name, value) in members {
            match value {
                Value::String(text) => row.set(&name, text.trim()),
                Value::Null => {}
                Value::Object(inputs) if name == "inputs" => {
                    for (name, value) in inputs {
                        match value {
                            Value::String(text) if !text.is_empty() => {
                                row.inputs.insert(name, text.trim().into());
                            }
                            Value::String(_) | Value::Null => {}
                            _ => return Err(unreadable("an input is not text")),
                        }
                    }
                }
                _ => return Err(unreadable("a member is not text")),
            }
        }
        rows.push(row);
        if rows.len() > IMPORT_ROWS {
            break;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Account, reference, inputs.
    type Shown<'a> = (Option<&'a str>, Option<&'a str>, Vec<(&'a str, &'a str)>);

    fn shown(rows: &[ImportRow]) -> Vec<Shown<'_>> {
        rows.iter()
            .map(|row| {
                let inputs = row.inputs.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
                (row.account_id.as_deref(), row.reference.as_deref(), inputs)
            })
            .collect()
    }

    #[test]
    fn both_forms_say_the_same() {
        let csv =
            b"\xef\xbb\xbfaccount-id,refresh-token,reference\r\nopen-1, rft.1!2*3 ,user 7\n,\"rft.\"\"2\",\n";
        let jsonl = br#"{"account_id": "open-1", "refresh-token": "rft.1!2*3", "reference": "user 7"}

            {"inputs": {"refresh-token": "rft.\"2", "access-token": ""}, "reference": null}"#;
        let (one, two) = (
            ImportRow::read(TableFormat::Csv, csv).unwrap(),
            ImportRow::read(TableFormat::Jsonl, jsonl).unwrap(),
        );
        let expected = vec![
            (Some("open-1"), Some("user 7"), vec![("refresh-token", "rft.1!2*3")]),
            (None, None, vec![("refresh-token", "rft.\"2")]),
        ];
        assert_eq!(shown(&one), expected);
        assert_eq!(shown(&two), expected);
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line_and_never_quoted() {
        for (format, text, part) in [
            (TableFormat::Csv, "Rft.secret!1\nRft.secret!2\n", "does not name its columns"),
            (TableFormat::Csv, "refresh-token\nrft.secret,rft.secret\n", "line 2"),
            (TableFormat::Csv, "refresh-token,refresh-token\n", "comes twice"),
            (TableFormat::Jsonl, "{}\n{\"refresh-token\": \"rft.secret\"", "line 2"),
            (TableFormat::Jsonl, "[\"rft.secret\"]", "line 1"),
            (TableFormat::Jsonl, "{\"refresh-token\": [\"rft.secret\"]}", "line 1"),
            (TableFormat::Jsonl, "{\"inputs\": {\"refresh-token\": 7}}", "not text"),
        ] {
            let error = ImportRow::read(format, text.as_bytes()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::InvalidRequest);
            assert!(error.message.contains(part), "{text}: {error:?}");
            assert!(!format!("{error:?}").to_lowercase().contains("rft.secret"), "{error:?}");
        }
        let many = "refresh-token\n".to_owned() + &"x\n".repeat(IMPORT_ROWS + 1);
        assert!(ImportRow::read(TableFormat::Csv, many.as_bytes()).is_err());
    }
}
