//! Tables and lists of named values, aligned by the width that the terminal shows.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use console::{measure_text_width, style};

use super::plain;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// Text.
    Text(&'static str),
    /// Numbers, aligned right.
    Number(&'static str),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Column::Text(name) | Column::Number(name) => name,
        }
    }

    fn cell(self, text: &str) -> Cell {
        match self {
            Column::Text(_) => Cell::new(text),
            Column::Number(_) => Cell::new(text).set_alignment(CellAlignment::Right),
        }
    }
}

/// A table without lines. Cells may contain untrusted text.
pub(crate) fn table(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let width = console::user_attended().then(|| console::Term::stdout().size().1.max(60));
    table_within(width, columns, &rows)
}

/// In a terminal of this width, cells wrap at spaces; ids and numbers are not broken, for copying.
fn table_within(width: Option<u16>, columns: &[Column], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(columns.iter().map(|column| column.cell(column.name())));
    for row in rows {
        table.add_row(row.iter().zip(columns).map(|(text, column)| column.cell(&plain(text))));
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        for (index, column) in columns.iter().enumerate() {
            let cells = rows.iter().filter_map(|row| row.get(index)).map(String::as_str);
            let word =
                cells.chain([column.name()]).flat_map(str::split_whitespace).map(measure_text_width).max();
            // A column's padding counts too: one space on each side.
            let least = Width::Fixed(u16::try_from(word.unwrap_or_default() + 2).unwrap_or(width));
            if let Some(column) = table.column_mut(index) {
                column.set_constraint(ColumnConstraint::LowerBoundary(least));
            }
        }
    }
    let text = table.to_string();
    let lines = text.lines().enumerate().map(|(number, line)| {
        let line = line.strip_prefix(' ').unwrap_or(line).trim_end();
        // Styled afterwards, because escape sequences would count as width.
        if number == 0 { style(line).bold().to_string() } else { line.to_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Named values, one per line.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Adds a value, which may be untrusted.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.0.push((name.to_owned(), plain(value.as_ref())));
        self
    }

    /// Adds a value if there is one.
    #[must_use]
    pub(crate) fn maybe(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The lines.
    pub(crate) fn show(self) -> String {
        let width = self.0.iter().map(|(name, _)| measure_text_width(name)).max().unwrap_or_default();
        let room = console::user_attended().then(|| {
            let all = usize::from(console::Term::stdout().size().1.max(60));
            all.saturating_sub(width + 2).max(30)
        });
        let lines = self.0.iter().map(|(name, value)| {
            let gap = " ".repeat(width - measure_text_width(name) + 2);
            let value = match room {
                Some(room) => wrap(value, room).join(&format!("\n{}", " ".repeat(width + 2))),
                None => value.clone(),
            };
            format!("{}{gap}{value}", style(name).dim())
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Wraps at spaces. Text without spaces, such as a link, is not broken, for copying.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 1 + measure_text_width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_breaks_texts_and_never_ids() {
        let columns = [Column::Text("POST"), Column::Text("TEXT"), Column::Number("VIEWS")];
        let row = ["v_pub_file~v2-1.7012345678901234567", "a text of many short words in a row", "1,234,567"];
        let shown = table_within(Some(60), &columns, &[row.map(str::to_owned).to_vec()]);
        let longest = shown.lines().map(measure_text_width).max().unwrap();
        assert!(shown.contains(row[0]) && shown.contains(row[2]) && longest <= 60, "{shown}");
        assert!(shown.lines().count() > 2, "the text is broken: {shown}");
    }

    #[test]
    fn long_values_break_at_spaces_and_links_never() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("see https://example.com/long", 8), ["see", "https://example.com/long"]);
        assert_eq!(wrap("", 8), [""]);
    }
}
