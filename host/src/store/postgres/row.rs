//! Rows as records. A disk or a person may have damaged what is stored: such a row is an error that names it. It ends no
//! process, and it hides no other row.

use std::str::FromStr;

use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as UnknownWord, StrDeserializer};
use sqlx::postgres::PgRow;
use sqlx::{Row as _, ValueRef as _};

use super::failure::{Damaged, failure};
use crate::tenant_id::TenantId;
use social_channel_runtime::error::{Error, Result};

/// Reads one row of `table`. Its first column names it, and is never NULL.
pub(super) fn read<T>(
    table: &'static str,
    row: &PgRow,
    decode: impl Fn(&PgRow) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    let named = || match row.try_get_raw(0)?.is_null() {
        true => Err(malformed("0", "the row has no name")),
        false => decode(row),
    };
    named().map_err(|cause| {
        // Any type: also a name may be damaged.
        let name = row.try_get_unchecked::<Vec<u8>, _>(0).unwrap_or_default();
        let row = String::from_utf8_lossy(&name).escape_debug().to_string();
        sqlx::Error::Decode(Box::new(Damaged { table, row, cause }))
    })
}

/// The row that a caller asked for.
pub(super) fn one<T>(
    table: &'static str,
    row: Option<PgRow>,
    decode: impl Fn(&PgRow) -> sqlx::Result<T>,
) -> Result<Option<T>> {
    row.map(|row| read(table, &row, decode)).transpose().map_err(failure)
}

/// The rows of a list. Damaged ones are logged and left out.
pub(super) fn all<T>(
    table: &'static str,
    rows: &[PgRow],
    decode: impl Fn(&PgRow) -> sqlx::Result<T>,
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
pub(super) fn parsed<T: FromStr<Err = Error>>(row: &PgRow, column: &str) -> sqlx::Result<T> {
    row.try_get::<&str, _>(column)?.parse().map_err(|error: Error| malformed(column, error.message))
}

/// A column that holds one of a closed set of words.
pub(super) fn word<'r, T: Deserialize<'r>>(row: &'r PgRow, column: &str) -> sqlx::Result<T> {
    let word: StrDeserializer<'r, UnknownWord> = row.try_get::<&str, _>(column)?.into_deserializer();
    T::deserialize(word).map_err(|error| malformed(column, error))
}

/// A column that holds JSON.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &PgRow, column: &str) -> sqlx::Result<T> {
    serde_json::from_str(row.try_get(column)?).map_err(|error| malformed(column, error))
}

/// The columns `tenant` and `channel`.
pub(super) fn channel(row: &PgRow) -> sqlx::Result<(TenantId, String)> {
    Ok((parsed(row, "tenant")?, row.try_get("channel")?))
}
