//! Tables to download, as CSV (RFC 4180).

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

/// A table.
pub(super) struct Csv(String);

impl Csv {
    pub(super) fn new(columns: &[&str]) -> Self {
        let mut table = Csv(String::new());
        table.row(columns);
        table
    }

    pub(super) fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell.as_ref())).collect();
        self.0.push_str(&cells.join(","));
        self.0.push_str("\r\n");
    }

    /// The table as a file to save.
    pub(super) fn answer(self, name: &str) -> Response {
        let headers = [
            (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        ];
        (headers, self.0).into_response()
    }
}

/// Spreadsheets take a cell that begins like a formula for one; captions are written by anybody.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        let mut table = Csv::new(&["a", "b"]);
        table.row(&["x, \"y\"", "=HYPERLINK(1)"]);
        table.row(&["two\nlines", "7"]);
        assert_eq!(table.0, "a,b\r\n\"x, \"\"y\"\"\",'=HYPERLINK(1)\r\n\"two\nlines\",7\r\n");
    }
}
