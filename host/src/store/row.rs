//! Rows as records. A disk or a person may have damaged what is stored: such a row is an error that names it. It ends no
//! process, and it hides no other row.

use std::str::FromStr;

use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as UnknownWord, StrDeserializer};

use crate::tenant_id::TenantId;
use social_channel_runtime::error::{Error, ErrorKind, Result};

/// What is asked of a driver's row. Its first column names it.
pub(super) trait DriverRow: Sized {
    fn has_name(&self) -> sqlx::Result<bool>;
    /// The name in any type: also a name may be damaged.
    fn name(&self) -> Vec<u8>;
    fn text(&self, column: &str) -> sqlx::Result<&str>;
    /// A failure of this driver, as a sentence with a remedy.
    fn failure(error: sqlx::Error) -> Error;
}

/// Implements [`DriverRow`]. A macro, because generic bounds on columns and types would be repeated at each function.
macro_rules! driver_row {
    ($row:ty, $failure:path) => {
        impl $crate::store::row::DriverRow for $row {
            fn has_name(&self) -> sqlx::Result<bool> {
                Ok(!sqlx::ValueRef::is_null(&sqlx::Row::try_get_raw(self, 0)?))
            }

            fn name(&self) -> Vec<u8> {
                sqlx::Row::try_get_unchecked(self, 0).unwrap_or_default()
            }

            fn text(&self, column: &str) -> sqlx::Result<&str> {
                sqlx::Row::try_get(self, column)
            }

            fn failure(error: sqlx::Error) -> social_channel_runtime::error::Error {
                $failure(error)
            }
        }
    };
}
pub(super) use driver_row;

/// Why a row cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the row {row} of the table {table} is damaged: {cause}")]
struct Damaged {
    table: &'static str,
    row: String,
    cause: sqlx::Error,
}

/// What is said about a damaged row.
pub(super) fn damage(error: &sqlx::Error) -> Option<Error> {
    let sqlx::Error::Decode(inner) = error else { return None };
    let damaged = inner.downcast_ref::<Damaged>()?;
    Some(
        Error::new(ErrorKind::Internal, damaged.to_string()).with_remedy(
            "restore the database's last backup, or delete this row; the others are not affected",
        ),
    )
}

/// Reads one row of `table`. Its first column names it, and is never NULL.
pub(super) fn read<R: DriverRow, T>(
    table: &'static str,
    row: &R,
    decode: impl Fn(&R) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    let named = || match row.has_name()? {
        false => Err(malformed("0", "the row has no name")),
        true => decode(row),
    };
    named().map_err(|cause| {
        let row = String::from_utf8_lossy(&row.name()).escape_debug().to_string();
        sqlx::Error::Decode(Box::new(Damaged { table, row, cause }))
    })
}

/// The row that a caller asked for.
pub(super) fn one<R: DriverRow, T>(
    table: &'static str,
    row: Option<R>,
    decode: impl Fn(&R) -> sqlx::Result<T>,
) -> Result<Option<T>> {
    row.map(|row| read(table, &row, decode)).transpose().map_err(R::failure)
}

/// The rows of a list. Damaged ones are logged and left out.
pub(super) fn all<R: DriverRow, T>(
    table: &'static str,
    rows: &[R],
    decode: impl Fn(&R) -> sqlx::Result<T>,
) -> Vec<T> {
    let readable = |row| read(table, row, &decode).inspect_err(skip).ok();
    rows.iter().filter_map(readable).collect()
}

/// Logs a row that is left out.
pub(super) fn skip(error: &sqlx::Error) {
    tracing::error!(%error, "a stored row is left out");
}

pub(super) fn malformed(
    column: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: source.into() }
}

/// A column that holds a name, such as a digest.
pub(super) fn parsed<T: FromStr<Err = Error>>(row: &impl DriverRow, column: &str) -> sqlx::Result<T> {
    row.text(column)?.parse().map_err(|error: Error| malformed(column, error.message))
}

/// A column that holds one of a closed set of words.
pub(super) fn word<'r, T: Deserialize<'r>>(row: &'r impl DriverRow, column: &str) -> sqlx::Result<T> {
    let word: StrDeserializer<'r, UnknownWord> = row.text(column)?.into_deserializer();
    T::deserialize(word).map_err(|error| malformed(column, error))
}

/// A column that holds JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &impl DriverRow, column: &str) -> sqlx::Result<T> {
    serde_json::from_str(row.text(column)?).map_err(|error| malformed(column, error))
}

/// The columns `tenant` and `channel`.
pub(super) fn channel(row: &impl DriverRow) -> sqlx::Result<(TenantId, String)> {
    Ok((parsed(row, "tenant")?, row.text("channel")?.to_owned()))
}
