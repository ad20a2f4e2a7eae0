//! The columns that drivers read of a table.
//!
//! They are named, because a newer program may add others while this one runs. A prepared `*` is then another statement:
//! PostgreSQL refuses it, and sqlx's worker for SQLite ends.

/// The columns of a table, each with what stands before its name: `columns!(jobs "j.")`.
macro_rules! columns {
    (apps $of:literal) => {
        columns!(@ $of "id" "tenant" "provider" "digest" "settings" "grants" "redirect_uri" "listing" "created_at"
            "updated_at" "revision")
    };
    (sessions $of:literal) => {
        columns!(@ $of "id" "tenant" "app" "owner" "payload" "expires_at" "spent")
    };
    (accounts $of:literal) => {
        columns!(@ $of "channel" "tenant" "app" "account" "display_name" "avatar_url" "consent_group" "credentials"
            "credentials_revision" "issued_at" "scopes" "missing_scopes" "expires_at_s" "refresh_expires_at_s"
            "refresh_due_at" "health" "health_detail" "connected_at" "connected_by" "updated_at" "looked_at"
            "posts_sampled_at" "fence" "username" "kind" "parent_id")
    };
    (jobs $of:literal) => {
        columns!(@ $of "id" "tenant" "app" "channel" "digest" "moved_from" "request" "request_hash" "idempotency_key"
            "retry_of" "submitted_by" "consent" "priority" "publish_at" "state" "once" "interrupted" "once_begun"
            "sent_at" "status" "phase" "bytes_sent" "bytes_total" "wake_at" "attempts" "deadline_at"
            "cancel_requested" "post_id" "url" "error" "quotas" "asked_at" "forced" "resolution" "created_at"
            "updated_at" "ended_at" "fence")
    };
    (job_history $of:literal) => {
        columns!(@ $of "job" "at_ms" "call" "phase" "result" "message" "code" "trace_id" "made_by")
    };
    (outbox $of:literal) => {
        columns!(@ $of "id" "tenant" "number" "kind" "at" "app" "channel" "display_name" "health" "detail" "job"
            "status" "post_id" "url" "idempotency_key" "error" "provider" "version" "digest")
    };
    (endpoints $of:literal) => {
        columns!(@ $of "id" "tenant" "target" "description" "kinds" "position" "due_at" "resume_at" "failures"
            "failing_since" "disabled_at" "disabled_why" "created_at" "updated_at" "fence")
    };
    (deliveries $of:literal) => {
        columns!(@ $of "endpoint" "number" "event" "kind" "at" "attempts" "due_at" "delivered_at")
    };
    (delivery_attempts $of:literal) => {
        columns!(@ $of "endpoint" "number" "at" "took_ms" "status" "failure")
    };
    (@ $of:literal $first:literal $($other:literal)*) => {
        concat!($of, $first $(, ", ", $of, $other)*)
    };
}
pub(super) use columns;

#[cfg(test)]
mod tests {
    /// Whether a line of SQL asks for whatever columns a table has.
    fn asks_for_all(line: &str) -> bool {
        ["SELECT *", "RETURNING *", ", * FROM", "j.*", "h.*", "d.*", "a.*", "accounts.*"]
            .iter()
            .any(|star| line.contains(star))
    }

    #[test]
    fn no_statement_asks_for_whatever_columns_there_are() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
        let mut files = 0;
        for driver in ["sqlite", "postgres", "mysql"] {
            for entry in std::fs::read_dir(folder.join(driver)).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                // Mends a file that nobody else has open.
                if !name.ends_with(".rs") || name == "damage.rs" {
                    continue;
                }
                files += 1;
                for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
                    assert!(
                        !asks_for_all(line) || line.contains("GRANT"),
                        "{}:{}: name the columns: {line}",
                        path.display(),
                        number + 1
                    );
                }
            }
        }
        assert!(files > 40, "{files}");
        assert!(asks_for_all("SELECT j.*, 1") && !asks_for_all("SELECT count(*)"));
    }
}
