//! Every sealed value, page by page, for key rotation.

use super::*;

/// Sealed values on one page: few enough to be held in memory, each of a few kilobytes and at most a megabyte.
const SEALED_PAGE: usize = 200;

/// A sealed column. A row is named by one text or by two with `/` between them, the first of which has no `/`.
struct SealedColumn {
    table: &'static str,
    column: &'static str,
    /// The first part of a row's name, which is a text.
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
    Text(&'static str),
    Bytes(&'static str),
    /// The row is known by its second part alone.
    Alone(&'static str),
}

const SEALED: [SealedColumn; 11] = [
    SealedColumn {
        table: "meta",
        column: "value",
        first: "key",
        second: Second::None,
        only: "key = 'hash-key'",
    },
    SealedColumn {
        table: "events",
        column: "evidence",
        first: "app",
        second: Second::Text("id"),
        only: "evidence IS NOT NULL",
    },
    SealedColumn { table: "apps", column: "settings", first: "id", second: Second::None, only: "true" },
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
        only: "true",
    },
    SealedColumn {
        table: "jobs",
        column: "request",
        first: "tenant",
        second: Second::Alone("id"),
        only: "true",
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
        second: Second::Text("id"),
        only: "true",
    },
    SealedColumn {
        table: "endpoints",
        column: "target",
        first: "tenant",
        second: Second::Alone("id"),
        only: "true",
    },
    SealedColumn {
        table: "provider_values",
        column: "value",
        first: "app",
        second: Second::Bytes("key"),
        only: "true",
    },
    SealedColumn {
        table: "media_links",
        column: "reference",
        first: "id",
        second: Second::None,
        only: "true",
    },
];

impl SealedColumn {
    /// The statement of one page after the row `$1`, `$2`. Joins fixed texts.
    fn page(&self) -> String {
        let SealedColumn { table, column, first, only, .. } = self;
        let (name, after, order) = match self.second {
            Second::None => (
                format!("convert_to({first}, 'UTF8')"),
                format!("{first} > convert_from($1, 'UTF8') AND $2::bytea IS NOT NULL"),
                (*first).to_owned(),
            ),
            Second::Text(second) => (
                format!("convert_to({first} || '/' || {second}, 'UTF8')"),
                format!("({first}, {second}) > (convert_from($1, 'UTF8'), convert_from($2, 'UTF8'))"),
                format!("{first}, {second}"),
            ),
            Second::Bytes(second) => (
                format!("convert_to({first} || '/', 'UTF8') || {second}"),
                format!("({first}, {second}) > (convert_from($1, 'UTF8'), $2)"),
                format!("{first}, {second}"),
            ),
            Second::Alone(second) => (
                format!("convert_to({first} || '/' || {second}, 'UTF8')"),
                format!("{second} > convert_from($2, 'UTF8') AND $1::bytea IS NOT NULL"),
                second.to_owned(),
            ),
        };
        format!(
            "SELECT {name} AS name, {column} AS sealed FROM {table} WHERE ({only}) AND {after}
             ORDER BY {order} LIMIT {SEALED_PAGE}"
        )
    }

    /// The statement that replaces the value `$2` of the row `$3`, `$4` by `$1`. Joins fixed texts.
    fn update(&self) -> String {
        let SealedColumn { table, column, first, .. } = self;
        let second = match self.second {
            Second::None => "octet_length($4::bytea) = 0".to_owned(),
            Second::Text(second) | Second::Alone(second) => format!("{second} = convert_from($4, 'UTF8')"),
            Second::Bytes(second) => format!("{second} = $4"),
        };
        format!(
            "UPDATE {table} SET {column} = $1 WHERE {column} = $2 AND {first} = convert_from($3, 'UTF8') AND {second}"
        )
    }

    /// The parts of a row's name.
    fn parts<'a>(&self, row: &'a str) -> (&'a [u8], &'a [u8]) {
        let (first, second) = match self.second {
            Second::None => (row, ""),
            Second::Text(_) | Second::Bytes(_) | Second::Alone(_) => row.split_once('/').unwrap_or((row, "")),
        };
        (first.as_bytes(), second.as_bytes())
    }
}

impl Postgres {
    pub(super) async fn sealed_page(&self, after: Option<&SealedCursor>) -> Result<SealedPage> {
        let SealedCursor { column, row } = after.cloned().unwrap_or_default();
        let Some(sealed) = SEALED.get(column) else { return Ok(SealedPage::default()) };
        let (first, second) = sealed.parts(&row);
        let page = sealed.page();
        let rows = read!(self for "", db => {
            sqlx::query(sqlx::AssertSqlSafe(page.as_str())).bind(first).bind(second).fetch_all(&mut *db).await
        })?;
        let name = |row: &sqlx::postgres::PgRow| {
            String::from_utf8(row.try_get("name")?).map_err(|error| row::malformed("name", error))
        };
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
            let done = sqlx::query(sqlx::AssertSqlSafe(update.as_str()))
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
