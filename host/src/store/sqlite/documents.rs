//! Documents of a front door.

use sqlx::sqlite::SqliteRow;

use super::*;

fn document(row: &SqliteRow) -> sqlx::Result<Document> {
    Ok(Document {
        kind: row.try_get("kind")?,
        id: row.try_get("id")?,
        facts: row.try_get("facts")?,
        body: row.try_get("body")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

const ADD: &str = "INSERT INTO documents (kind, id, facts, body, created_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO NOTHING";

/// Inserts or replaces a document.
pub(super) fn put(one: &Document) -> Query<'_> {
    let put = "INSERT INTO documents (kind, id, facts, body, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET facts = excluded.facts,
         body = excluded.body, created_at = excluded.created_at, expires_at = excluded.expires_at";
    written(put, one)
}

fn written<'q>(sql: &'static str, one: &'q Document) -> Query<'q> {
    sqlx::query(sql)
        .bind(&one.kind)
        .bind(&one.id)
        .bind(&one.facts)
        .bind(&one.body)
        .bind(one.created_at)
        .bind(one.expires_at)
}

#[async_trait]
impl DocumentStore for Sqlite {
    async fn document(&self, kind: &str, id: &str) -> Result<Option<Document>> {
        let row = sqlx::query(
            "SELECT id, kind, facts, body, created_at, expires_at FROM documents
             WHERE kind = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)",
        )
        .bind(kind)
        .bind(id)
        .bind(self.clock.now_ms())
        .fetch_optional(&self.readers)
        .await
        .map_err(failure)?;
        row::one("documents", row, document)
    }

    async fn documents(&self, kind: &str) -> Result<Vec<Document>> {
        let rows = sqlx::query(
            "SELECT id, kind, facts, NULL AS body, created_at, expires_at FROM documents
             WHERE kind = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY id",
        )
        .bind(kind)
        .bind(self.clock.now_ms())
        .fetch_all(&self.readers)
        .await
        .map_err(failure)?;
        Ok(row::all("documents", &rows, document))
    }

    async fn documents_of(&self, kind: &str, tenant: &TenantId) -> Result<Vec<Document>> {
        let rows = sqlx::query(
            "SELECT id, kind, facts, NULL AS body, created_at, expires_at FROM documents
             WHERE kind = ? AND iif(json_valid(facts), json_extract(facts, '$.tenant'), NULL) = ?
             AND (expires_at IS NULL OR expires_at > ?) ORDER BY id",
        )
        .bind(kind)
        .bind(tenant.as_str())
        .bind(self.clock.now_ms())
        .fetch_all(&mut *self.reader(tenant).await?)
        .await
        .map_err(failure)?;
        Ok(row::all("documents", &rows, document))
    }

    async fn has_documents(&self, kind: &str) -> Result<bool> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM documents WHERE kind = ?
             AND (expires_at IS NULL OR expires_at > ?))",
        )
        .bind(kind)
        .bind(self.clock.now_ms())
        .fetch_one(&self.readers)
        .await
        .map_err(failure)
    }

    async fn change_documents(&self, changes: &[DocumentChange]) -> Result<u64> {
        let now = self.clock.now_ms();
        write!(self, db => {
            sqlx::query("DELETE FROM documents WHERE expires_at <= ?").bind(now).execute(&mut *db).await?;
            let mut changed = 0;
            for change in changes {
                let query = match change {
                    DocumentChange::Put(one) => put(one),
                    DocumentChange::Add(one) => written(ADD, one),
                    DocumentChange::SetFacts { kind, id, facts } => {
                        sqlx::query("UPDATE documents SET facts = ? WHERE kind = ? AND id = ?")
                            .bind(facts)
                            .bind(kind)
                            .bind(id)
                    }
                    DocumentChange::SwapFacts { kind, id, was, facts } => {
                        sqlx::query("UPDATE documents SET facts = ? WHERE kind = ? AND id = ? AND facts = ?")
                            .bind(facts)
                            .bind(kind)
                            .bind(id)
                            .bind(was)
                    }
                    DocumentChange::Remove { kind, id } => {
                        sqlx::query("DELETE FROM documents WHERE kind = ? AND id = ?").bind(kind).bind(id)
                    }
                    DocumentChange::RemoveAll { kind } => {
                        sqlx::query("DELETE FROM documents WHERE kind = ?").bind(kind)
                    }
                };
                changed += query.execute(&mut *db).await?.rows_affected();
            }
            Ok(changed)
        })
    }
}
