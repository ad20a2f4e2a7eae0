//! Documents of a front door.

use super::*;

fn document(row: &MySqlRow) -> sqlx::Result<Document> {
    Ok(Document {
        kind: text(row, "kind")?,
        id: text(row, "id")?,
        facts: text(row, "facts")?,
        body: row.try_get("body")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

/// The tenant that a document's facts name, for the index by tenants.
pub(super) fn tenant_of(facts: &str) -> Option<String> {
    let facts: serde_json::Value = serde_json::from_str(facts).ok()?;
    facts.get("tenant")?.as_str().map(str::to_owned)
}

type Query<'q> = sqlx::query::Query<'q, sqlx::MySql, sqlx::mysql::MySqlArguments>;

impl Mysql {
    /// Inserts or replaces a document.
    pub(super) fn put_document<'q>(&self, one: &'q Document) -> Query<'q> {
        let put = self.sql("INSERT INTO {documents} (kind, id, facts, tenant, body, created_at, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE facts = ?, tenant = ?, body = ?, created_at = ?, expires_at = ?");
        bound(put, one)
            .bind(&one.facts)
            .bind(tenant_of(&one.facts))
            .bind(&one.body)
            .bind(one.created_at)
            .bind(one.expires_at)
    }
}

fn bound<'q>(sql: sqlx::AssertSqlSafe<String>, one: &'q Document) -> Query<'q> {
    sqlx::query(sql)
        .bind(&one.kind)
        .bind(&one.id)
        .bind(&one.facts)
        .bind(tenant_of(&one.facts))
        .bind(&one.body)
        .bind(one.created_at)
        .bind(one.expires_at)
}

#[async_trait]
impl DocumentStore for Mysql {
    async fn document(&self, kind: &str, id: &str) -> Result<Option<Document>> {
        let row = read!(self for "", db => {
            sqlx::query(self.sql("SELECT id, kind, facts, body, created_at, expires_at FROM {documents}
                 WHERE kind = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)"))
            .bind(kind)
            .bind(id)
            .bind(self.clock.now_ms())
            .fetch_optional(&mut *db)
            .await
        })?;
        row::one("documents", row, document)
    }

    async fn documents(&self, kind: &str) -> Result<Vec<Document>> {
        let rows = read!(self for "", db => {
            sqlx::query(self.sql("SELECT id, kind, facts, NULL AS body, created_at, expires_at FROM {documents}
                 WHERE kind = ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY id"))
            .bind(kind)
            .bind(self.clock.now_ms())
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("documents", &rows, document))
    }

    async fn documents_of(&self, kind: &str, tenant: &TenantId) -> Result<Vec<Document>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(self.sql("SELECT id, kind, facts, NULL AS body, created_at, expires_at FROM {documents}
                 WHERE kind = ? AND tenant = ?
                 AND (expires_at IS NULL OR expires_at > ?) ORDER BY id"))
            .bind(kind)
            .bind(tenant.as_str())
            .bind(self.clock.now_ms())
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("documents", &rows, document))
    }

    async fn has_documents(&self, kind: &str) -> Result<bool> {
        read!(self for "", db => {
            sqlx::query_scalar(self.sql("SELECT EXISTS (SELECT 1 FROM {documents} WHERE kind = ?
                 AND (expires_at IS NULL OR expires_at > ?))"))
            .bind(kind)
            .bind(self.clock.now_ms())
            .fetch_one(&mut *db)
            .await
        })
    }

    async fn change_documents(&self, changes: &[DocumentChange]) -> Result<u64> {
        let now = self.clock.now_ms();
        write!(self, db => {
            sqlx::query(self.sql("DELETE FROM {documents} WHERE expires_at <= ?")).bind(now).execute(&mut *db).await?;
            let mut changed = 0;
            for change in changes {
                let query = match change {
                    DocumentChange::Put(one) => self.put_document(one),
                    // With the rows that were found, an update of the same would count too.
                    DocumentChange::Add(one) => bound(
                        self.sql("INSERT IGNORE INTO {documents} (kind, id, facts, tenant, body, created_at, expires_at)
                         VALUES (?, ?, ?, ?, ?, ?, ?)"),
                        one,
                    ),
                    DocumentChange::SetFacts { kind, id, facts } => {
                        sqlx::query(self.sql("UPDATE {documents} SET facts = ?, tenant = ? WHERE kind = ? AND id = ?"))
                            .bind(facts)
                            .bind(tenant_of(facts))
                            .bind(kind)
                            .bind(id)
                    }
                    DocumentChange::SwapFacts { kind, id, was, facts } => sqlx::query(
                        self.sql("UPDATE {documents} SET facts = ?, tenant = ? WHERE kind = ? AND id = ? AND facts = ?"),
                    )
                    .bind(facts)
                    .bind(tenant_of(facts))
                    .bind(kind)
                    .bind(id)
                    .bind(was),
                    DocumentChange::Remove { kind, id } => {
                        sqlx::query(self.sql("DELETE FROM {documents} WHERE kind = ? AND id = ?")).bind(kind).bind(id)
                    }
                    DocumentChange::RemoveAll { kind } => {
                        sqlx::query(self.sql("DELETE FROM {documents} WHERE kind = ?")).bind(kind)
                    }
                };
                let done = query.execute(&mut *db).await?.rows_affected();
                // A row that was replaced counts as two.
                changed += if matches!(change, DocumentChange::Put(_)) { 1 } else { done };
            }
            Ok(changed)
        })
    }
}
