//! Documents of a front door.

use sqlx::postgres::PgRow;

use super::*;

fn document(row: &PgRow) -> sqlx::Result<Document> {
    Ok(Document {
        kind: row.try_get("kind")?,
        id: row.try_get("id")?,
        facts: row.try_get("facts")?,
        body: row.try_get("body")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

/// The tenant that a document's facts name, for the index by tenants.
pub(super) fn tenant_of(facts: &str) -> Option<String> {
    let facts: serde_json::Value = serde_json::from_str(facts).ok()?;
    facts.get("tenant")?.as_str().map(|tenant| text(tenant).into_owned())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

const ADD: &str = "INSERT INTO documents (kind, id, facts, tenant, body, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, id) DO NOTHING";

/// Inserts or replaces a document.
pub(super) fn put(one: &Document) -> Query<'_> {
    let put = "INSERT INTO documents (kind, id, facts, tenant, body, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, id) DO UPDATE SET facts = excluded.facts,
         tenant = excluded.tenant, body = excluded.body, created_at = excluded.created_at, expires_at = excluded.expires_at";
    written(put, one)
}

fn written<'q>(sql: &'static str, one: &'q Document) -> Query<'q> {
    sqlx::query(sql)
        .bind(&one.kind)
        .bind(text(&one.id))
        .bind(text(&one.facts))
        .bind(tenant_of(&one.facts))
        .bind(&one.body)
        .bind(one.created_at)
        .bind(one.expires_at)
}

#[async_trait]
impl DocumentStore for Postgres {
    async fn document(&self, kind: &str, id: &str) -> Result<Option<Document>> {
        let row = read!(self for "", db => {
            sqlx::query(
                "SELECT id, kind, facts, body, created_at, expires_at FROM documents
                 WHERE kind = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > $3)",
            )
            .bind(kind)
            .bind(text(id))
            .bind(self.clock.now_ms())
            .fetch_optional(&mut *db)
            .await
        })?;
        row::one("documents", row, document)
    }

    async fn documents(&self, kind: &str) -> Result<Vec<Document>> {
        let rows = read!(self for "", db => {
            sqlx::query(
                "SELECT id, kind, facts, NULL::bytea AS body, created_at, expires_at FROM documents
                 WHERE kind = $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY id",
            )
            .bind(kind)
            .bind(self.clock.now_ms())
            .fetch_all(&mut *db)
            .await
        })?;
        Ok(row::all("documents", &rows, document))
    }

    async fn documents_of(&self, kind: &str, tenant: &TenantId) -> Result<Vec<Document>> {
        let rows = read!(self for tenant.as_str(), db => {
            sqlx::query(
                "SELECT id, kind, facts, NULL::bytea AS body, created_at, expires_at FROM documents
                 WHERE kind = $1 AND tenant = $2
                 AND (expires_at IS NULL OR expires_at > $3) ORDER BY id",
            )
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
            sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM documents WHERE kind = $1
                 AND (expires_at IS NULL OR expires_at > $2))",
            )
            .bind(kind)
            .bind(self.clock.now_ms())
            .fetch_one(&mut *db)
            .await
        })
    }

    async fn change_documents(&self, changes: &[DocumentChange]) -> Result<u64> {
        let now = self.clock.now_ms();
        write!(self, db => {
            sqlx::query("DELETE FROM documents WHERE expires_at <= $1").bind(now).execute(&mut *db).await?;
            let mut changed = 0;
            for change in changes {
                let query = match change {
                    DocumentChange::Put(one) => put(one),
                    DocumentChange::Add(one) => written(ADD, one),
                    DocumentChange::SetFacts { kind, id, facts } => {
                        sqlx::query("UPDATE documents SET facts = $1, tenant = $2 WHERE kind = $3 AND id = $4")
                            .bind(text(facts))
                            .bind(tenant_of(facts))
                            .bind(kind)
                            .bind(text(id))
                    }
                    DocumentChange::SwapFacts { kind, id, was, facts } => sqlx::query(
                        "UPDATE documents SET facts = $1, tenant = $2 WHERE kind = $3 AND id = $4 AND facts = $5",
                    )
                    .bind(text(facts))
                    .bind(tenant_of(facts))
                    .bind(kind)
                    .bind(text(id))
                    .bind(text(was)),
                    DocumentChange::Remove { kind, id } => {
                        sqlx::query("DELETE FROM documents WHERE kind = $1 AND id = $2").bind(kind).bind(text(id))
                    }
                    DocumentChange::RemoveAll { kind } => {
                        sqlx::query("DELETE FROM documents WHERE kind = $1").bind(kind)
                    }
                };
                changed += query.execute(&mut *db).await?.rows_affected();
            }
            Ok(changed)
        })
    }
}
