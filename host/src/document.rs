//! Documents of a front door: data that a service in front of the library stores in the host's database (API keys,
//! browser sessions, files of its site).

use serde::Serialize;
use serde::de::DeserializeOwned;
use social_channel_runtime::error::{Error, Result};

use crate::store::{Document as Row, DocumentChange as Change};

/// A document, by kind and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<T> {
    /// Unique within its kind.
    pub id: String,
    /// The front door's data about it.
    pub facts: T,
    /// Bytes that belong to it; not returned in lists.
    pub body: Option<Vec<u8>>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// After this time the document no longer exists; milliseconds since 1970.
    pub expires_at: Option<i64>,
}

/// Changes that are made together or not at all.
#[derive(Debug, Default)]
pub struct DocumentChanges(pub(crate) Vec<Change>);

impl DocumentChanges {
    /// An empty set of changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts or replaces a document.
    ///
    /// # Errors
    /// `Internal` if its facts cannot be written as JSON.
    pub fn put<T: Serialize>(mut self, kind: &str, document: Document<T>) -> Result<Self> {
        self.0.push(Change::Put(Row {
            kind: kind.to_owned(),
            id: document.id,
            facts: written(&document.facts)?,
            body: document.body,
            created_at: document.created_at,
            expires_at: document.expires_at,
        }));
        Ok(self)
    }

    /// Replaces the facts of a document if it exists.
    ///
    /// # Errors
    /// `Internal` if they cannot be written as JSON.
    pub fn set_facts<T: Serialize>(mut self, kind: &str, id: &str, facts: &T) -> Result<Self> {
        let (kind, id) = (kind.to_owned(), id.to_owned());
        self.0.push(Change::SetFacts { kind, id, facts: written(facts)? });
        Ok(self)
    }

    /// Removes a document.
    #[must_use]
    pub fn remove(mut self, kind: &str, id: &str) -> Self {
        self.0.push(Change::Remove { kind: kind.to_owned(), id: id.to_owned() });
        self
    }

    /// Removes all documents of a kind.
    #[must_use]
    pub fn remove_all(mut self, kind: &str) -> Self {
        self.0.push(Change::RemoveAll { kind: kind.to_owned() });
        self
    }
}

fn written(facts: &impl Serialize) -> Result<String> {
    serde_json::to_string(facts)
        .map_err(|error| Error::internal("a document cannot be written as JSON").with_source(error))
}

/// The documents of a list. One that cannot be read is logged and left out.
pub(crate) fn list<T: DeserializeOwned>(rows: Vec<Row>) -> Vec<Document<T>> {
    let readable = |row: Row| {
        let id = row.id.clone();
        read(row).inspect_err(|error| tracing::error!(id, %error, "a document is left out of a list")).ok()
    };
    rows.into_iter().filter_map(readable).collect()
}

/// Reads a row. A row that a later version wrote in another form is an error.
pub(crate) fn read<T: DeserializeOwned>(row: Row) -> Result<Document<T>> {
    let facts = serde_json::from_str(&row.facts).map_err(|error| {
        Error::internal(format!("a stored {} cannot be read", row.kind)).with_source(error)
    })?;
    Ok(Document { id: row.id, facts, body: row.body, created_at: row.created_at, expires_at: row.expires_at })
}
