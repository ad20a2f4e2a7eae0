//! Tables and lists of named values, aligned by the width that the terminal shows.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use console::{measure_text_width, style};

use super::plain;

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// Words.
    Text(&'static str),
    /// Numbers, which end in line.
    Number(&'static str),
}

/// A table without lines. Cells may come from elsewhere.
pub(crate) fn table(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let head = columns.iter().map(|column| match column {
        Column::Text(name) => Cell::new(name),
        Column::Number(name) => Cell::new(name).set_alignment(CellAlignment::Right),
    });
    table.set_header(head);
    if console::user_attended() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(console::Term::stdout().size().1.max(60));
    }
    for row in rows {
        let cells = row.iter().zip(columns).map(|(text, column)| {
            let cell = Cell::new(plain(text));
            match column {
                Column::Text(_) => cell,
                Column::Number(_) => cell.set_alignment(CellAlignment::Right),
            }
        });
        table.add_row(cells);
    }
    let text = table.to_string();
    let lines = text.lines().enumerate().map(|(number, line)| {
        let line = line.strip_prefix(' ').unwrap_or(line).trim_end();
        // Styled afterwards, because escapes would count as width.
        if number == 0 { style(line).bold().to_string() } else { line.to_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Named values, one a line.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Adds a value, which may come from elsewhere.
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

/// Breaks at spaces. What has none, such as a link, stays whole, to be copied.
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
    fn long_values_break_at_spaces_and_links_never() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("see https://example.com/long", 8), ["see", "https://example.com/long"]);
        assert_eq!(wrap("", 8), [""]);
    }
}
