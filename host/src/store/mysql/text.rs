//! Texts of columns of bytes. The driver reads a text only from a column with a collation.

use sqlx::error::BoxDynError;
use sqlx::mysql::{MySqlRow, MySqlTypeInfo, MySqlValueRef};
use sqlx::{Decode, MySql, Row as _, Type};

/// The UTF-8 of a column of bytes.
pub(super) struct Text(pub(super) String);

impl Type<MySql> for Text {
    fn type_info() -> MySqlTypeInfo {
        <[u8] as Type<MySql>>::type_info()
    }

    fn compatible(info: &MySqlTypeInfo) -> bool {
        <[u8] as Type<MySql>>::compatible(info)
    }
}

impl<'r> Decode<'r, MySql> for Text {
    fn decode(value: MySqlValueRef<'r>) -> Result<Self, BoxDynError> {
        let bytes: &[u8] = Decode::<MySql>::decode(value)?;
        Ok(Text(std::str::from_utf8(bytes)?.to_owned()))
    }
}

/// A text that is there.
pub(super) fn text(row: &MySqlRow, column: &str) -> sqlx::Result<String> {
    row.try_get::<Text, _>(column).map(|it| it.0)
}

/// A text that may be NULL.
pub(super) fn texts(row: &MySqlRow, column: &str) -> sqlx::Result<Option<String>> {
    Ok(row.try_get::<Option<Text>, _>(column)?.map(|it| it.0))
}

/// The texts of a list.
pub(super) fn plain(list: Vec<Text>) -> Vec<String> {
    list.into_iter().map(|it| it.0).collect()
}
