//! Every sealed value, page by page, for key rotation.

use super::*;

/// Sealed values on one page: few enough to be held in memory, each of a few kilobytes and at most a megabyte.
const SEALED_PAGE: usize = 200;

/// A sealed column. A row is named by one text or by two with `/` between them, the first of which has no `/`.
struct SealedColumn {
    table: &'static str,
    column: &'static str,
    /// The first part of a row's name.
    first: &'static str,
    second: Second,
    /// The rows that have a value.
    only: &'static str,
}

/// The second part of a row's name.
#[derive(Clone, Copy)]
enum Second {
    /// There is none.
    None,
    Column(&'static str),
    /// The row is known by its second part alone.
    Alone(&'static str),
}

const SEALED: [SealedColumn; 11] = [
    SealedColumn {
        table: "meta",
        column: "value",
        first: "name",
        second: Second::None,
        only: "name = 'hash-key'",
    },
    SealedColumn {
        table: "events",
        column: "evidence",
        first: "app",
        second: Second::Column("id"),
        only: "evidence IS NOT NULL",
    },
    SealedColumn { table: "apps", column: "settings", first: "id", second: Second::None, only: "TRUE" },
    SealedColumn {
        table: "sessions",
        column: "payload",
        first: "tenant",
        second: Second::Alone("id"),
        only: "NOT spent",
    },
    SealedColumn {
        table: "accounts",
        column: "credentials",
        first: "tenant",
        second: Second::Alone("channel"),
        only: "TRUE",
    },
    SealedColumn {
        table: "jobs",
        column: "request",
        first: "tenant",
        second: Second::Alone("id"),
        only: "TRUE",
    },
    SealedColumn {
        table: "jobs",
        column: "state",
        first: "tenant",
        second: Second::Alone("id"),
        only: "state IS NOT NULL",
    },
    SealedColumn {
        table: "drafts",
        column: "content",
        first: "tenant",
        second: Second::Column("id"),
        only: "TRUE",
    },
    SealedColumn {
        table: "endpoints",
        column: "target",
        first: "tenant",
        second: Second::Alone("id"),
        only: "TRUE",
    },
    SealedColumn {
        table: "provider_values",
        column: "value",
        first: "app",
        second: Second::Column("name"),
        only: "TRUE",
    },
    SealedColumn {
        table: "media_links",
        column: "reference",
        first: "id",
        second: Second::None,
        only: "TRUE",
    },
];

impl SealedColumn {
    /// The statement of one page after a row, by both parts of its name, the first one twice. Joins fixed texts.
    fn page(&self) -> String {
        let SealedColumn { table, column, first, only, .. } = self;
        let (name, after, order) = match self.second {
            Second::None => (
                (*first).to_owned(),
                format!("{first} > ? AND ? IS NOT NULL AND ? IS NOT NULL"),
                (*first).to_owned(),
            ),
            // Not `(a, b) > (?, ?)`, for which neither server enters an index.
            Second::Column(second) => (
                format!("CONCAT({first}, '/', {second})"),
                format!("{first} >= ? AND ({first} > ? OR {second} > ?)"),
                format!("{first}, {second}"),
            ),
            Second::Alone(second) => (
                format!("CONCAT({first}, '/', {second})"),
                format!("? IS NOT NULL AND ? IS NOT NULL AND {second} > ?"),
                second.to_owned(),
            ),
        };
        format!(
            "SELECT {name} AS name, {column} AS sealed FROM {{{table}}} WHERE ({only}) AND {after}
             ORDER BY {order} LIMIT {SEALED_PAGE}"
        )
    }

    /// The statement that replaces a value: the new one, the old one, both parts of the row's name. Joins fixed texts.
    fn update(&self) -> String {
        let SealedColumn { table, column, first, .. } = self;
        let second = match self.second {
            Second::None => "LENGTH(?) = 0".to_owned(),
            Second::Column(second) | Second::Alone(second) => format!("{second} = ?"),
        };
        format!("UPDATE {{{table}}} SET {column} = ? WHERE {column} = ? AND {first} = ? AND {second}")
    }

    /// The parts of a row's name.
    fn parts<'a>(&self, row: &'a str) -> (&'a [u8], &'a [u8]) {
        let (first, second) = match self.second {
            Second::None => (row, ""),
            Second::Column(_) | Second::Alone(_) => row.split_once('/').unwrap_or((row, "")),
        };
        (first.as_bytes(), second.as_bytes())
    }
}

impl Mysql {
    pub(super) async fn sealed_page(&self, after: Option<&SealedCursor>) -> Result<SealedPage> {
        let SealedCursor { column, row } = after.cloned().unwrap_or_default();
        let Some(sealed) = SEALED.get(column) else { return Ok(SealedPage::default()) };
        let (first, second) = sealed.parts(&row);
        let page = sealed.page();
        let rows = read!(self for "", db => {
            sqlx::query(self.sql(&page)).bind(first).bind(first).bind(second).fetch_all(&mut *db).await
        })?;
        let name = |row: &MySqlRow| text(row, "name");
        let values = row::all(sealed.table, &rows, |row| {
            Ok(SealedValue {
                table: sealed.table,
                column: sealed.column,
                row: name(row)?,
                sealed: Sealed(row.try_get("sealed")?),
            })
        });
        // Of a short page the next column follows, and so it does where the last row has no name to go on from.
        let last = rows.last().filter(|_| rows.len() == SEALED_PAGE).and_then(|row| name(row).ok());
        let next = match last {
            Some(row) => SealedCursor { column, row },
            None => SealedCursor { column: column + 1, row: String::new() },
        };
        Ok(SealedPage { values, next: Some(next).filter(|next| next.column < SEALED.len()) })
    }

    pub(super) async fn replace_sealed(&self, value: &SealedValue, with: &Sealed) -> Result<bool> {
        let Some(sealed) = SEALED.iter().find(|one| one.table == value.table && one.column == value.column)
        else {
            return Ok(false);
        };
        let (update, (first, second)) = (sealed.update(), sealed.parts(&value.row));
        write!(self, db => {
            let done = sqlx::query(self.sql(&update))
                .bind(&with.0)
                .bind(&value.sealed.0)
                .bind(first)
                .bind(second)
                .execute(&mut *db)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }
}
