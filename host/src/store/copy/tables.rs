//! The tables that are moved, in an order in which no row comes before one that it refers to. A test compares them with
//! every database's schema.

/// One table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    pub(crate) order: Order,
}

/// In which order rows are moved.
#[derive(Debug)]
pub(crate) enum Order {
    /// By these columns.
    By(&'static [&'static str]),
    /// As they were inserted, which they keep.
    Inserted,
}

/// One column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bytes,
    /// 64 bits.
    Integer,
    /// 32 bits, where a database tells them apart.
    Small,
    /// 0 or 1 in SQLite.
    Boolean,
    /// A text in SQLite, bytes elsewhere, because it may be any text. Bytes here.
    Name,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

/// Columns that no copy moves, and why.
#[cfg(test)]
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[
    ("accounts.lease_owner", "a process of the old database"),
    ("accounts.lease_until", "by the old database's clock"),
    ("jobs.lease_owner", "a process of the old database"),
    ("jobs.lease_until", "by the old database's clock"),
    ("jobs.weight", "made from the priority"),
    ("documents.tenant", "made from the facts"),
    ("job_history.seq", "the order of insertion"),
    ("events.seq", "the order of insertion"),
    ("outbox.seq", "the order of insertion"),
    ("delivery_attempts.seq", "the order of insertion"),
    ("endpoints.lease_owner", "a process of the old database"),
    ("endpoints.lease_until", "by the old database's clock"),
    ("components.size", "made from the bytes"),
    ("provider_values.size", "made from the value"),
    ("jobs.held_channel", "made from the lease"),
    ("jobs.sent_open", "made from others"),
    ("meta.name", "`key` elsewhere"),
    ("provider_values.name", "`key` elsewhere"),
    ("counters.name", "moved as numbers"),
    ("counters.value", "moved as numbers"),
];

/// Tables that a database derives from jobs and channels, that describe its schema, or that hold a part of another one.
#[cfg(test)]
pub(crate) const DERIVED: &[&str] = &[
    "channel_queue",
    "tenant_queue",
    "tenant_counts",
    "schema_version",
    "sqlite_sequence",
    "component_parts",
    "locks",
];

use Kind::{Boolean, Bytes, Integer, Name, Small, Text};

/// Every table.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "meta",
        columns: &[column("key", Text), column("value", Bytes)],
        order: Order::By(&["key"]),
    },
    Table {
        name: "components",
        columns: &[
            column("digest", Text),
            column("provider", Text),
            column("version", Text),
            column("bytes", Bytes),
            column("added_at", Integer),
        ],
        order: Order::By(&["digest"]),
    },
    Table {
        name: "providers",
        columns: &[column("id", Text), column("digest", Text)],
        order: Order::By(&["id"]),
    },
    Table {
        name: "apps",
        columns: &[
            column("id", Text),
            column("tenant", Text),
            column("provider", Text),
            column("digest", Text),
            column("settings", Bytes),
            column("grants", Text),
            column("redirect_uri", Text),
            column("listing", Text),
            column("created_at", Integer),
            column("updated_at", Integer),
            column("revision", Integer),
        ],
        order: Order::By(&["id"]),
    },
    Table {
        name: "sessions",
        columns: &[
            column("id", Text),
            column("tenant", Text),
            column("app", Text),
            column("owner", Text),
            column("payload", Bytes),
            column("expires_at", Integer),
            column("spent", Boolean),
        ],
        order: Order::By(&["id"]),
    },
    Table {
        name: "accounts",
        columns: &[
            column("channel", Text),
            column("tenant", Text),
            column("app", Text),
            column("account", Text),
            column("display_name", Text),
            column("avatar_url", Text),
            column("consent_group", Text),
            column("credentials", Bytes),
            column("credentials_revision", Integer),
            column("issued_at", Integer),
            column("scopes", Text),
            column("missing_scopes", Text),
            column("expires_at_s", Integer),
            column("refresh_expires_at_s", Integer),
            column("refresh_due_at", Integer),
            column("health", Text),
            column("health_detail", Text),
            column("connected_at", Integer),
            column("connected_by", Text),
            column("updated_at", Integer),
            column("looked_at", Integer),
            column("posts_sampled_at", Integer),
            column("fence", Integer),
            column("username", Text),
            column("kind", Text),
            column("parent_id", Text),
        ],
        order: Order::By(&["channel"]),
    },
    Table {
        name: "former_channels",
        columns: &[
            column("tenant", Text),
            column("app", Text),
            column("account", Text),
            column("channel", Text),
            column("credentials_revision", Integer),
            column("fence", Integer),
        ],
        order: Order::By(&["tenant", "app", "account"]),
    },
    Table {
        name: "channel_fairness",
        columns: &[column("tenant", Text), column("channel", Text), column("at", Integer)],
        order: Order::By(&["tenant", "channel"]),
    },
    Table {
        name: "jobs",
        columns: &[
            column("id", Text),
            column("tenant", Text),
            column("app", Text),
            column("channel", Text),
            column("digest", Text),
            column("moved_from", Text),
            column("request", Bytes),
            column("request_hash", Text),
            column("idempotency_key", Text),
            column("retry_of", Text),
            column("submitted_by", Text),
            column("consent", Text),
            column("priority", Small),
            column("publish_at", Integer),
            column("state", Bytes),
            column("once", Boolean),
            column("interrupted", Boolean),
            column("once_begun", Boolean),
            column("sent_at", Integer),
            column("status", Text),
            column("phase", Text),
            column("bytes_sent", Integer),
            column("bytes_total", Integer),
            column("wake_at", Integer),
            column("attempts", Integer),
            column("deadline_at", Integer),
            column("cancel_requested", Boolean),
            column("post_id", Text),
            column("url", Text),
            column("error", Text),
            column("quotas", Text),
            column("asked_at", Integer),
            column("forced", Boolean),
            column("resolution", Text),
            column("created_at", Integer),
            column("updated_at", Integer),
            column("ended_at", Integer),
            column("fence", Integer),
        ],
        order: Order::By(&["id"]),
    },
    Table {
        name: "job_references",
        columns: &[column("app", Text), column("reference", Text), column("job", Text)],
        order: Order::By(&["app", "reference", "job"]),
    },
    Table {
        name: "job_history",
        columns: &[
            column("job", Text),
            column("at_ms", Integer),
            column("call", Text),
            column("phase", Text),
            column("result", Text),
            column("message", Text),
            column("code", Text),
            column("trace_id", Text),
            column("made_by", Text),
        ],
        order: Order::Inserted,
    },
    Table {
        name: "provider_values",
        columns: &[
            column("app", Text),
            column("key", Name),
            column("value", Bytes),
            column("version", Integer),
            column("expires_at", Integer),
        ],
        order: Order::By(&["app", "key"]),
    },
    Table {
        name: "events",
        columns: &[
            column("app", Text),
            column("id", Text),
            column("reference", Text),
            column("account", Text),
            column("evidence", Bytes),
            column("received_at", Integer),
            column("job", Text),
            column("taken", Boolean),
        ],
        order: Order::Inserted,
    },
    Table {
        name: "documents",
        columns: &[
            column("kind", Text),
            column("id", Text),
            column("facts", Text),
            column("body", Bytes),
            column("created_at", Integer),
            column("expires_at", Integer),
        ],
        order: Order::By(&["kind", "id"]),
    },
    Table {
        name: "drafts",
        columns: &[
            column("tenant", Text),
            column("id", Text),
            column("content", Bytes),
            column("created_at", Integer),
            column("expires_at", Integer),
        ],
        order: Order::By(&["tenant", "id"]),
    },
    Table {
        name: "uploads",
        columns: &[
            column("id", Text),
            column("tenant", Text),
            column("file_name", Text),
            column("content_type", Text),
            column("size", Integer),
            column("held", Boolean),
            column("created_at", Integer),
        ],
        order: Order::By(&["id"]),
    },
    Table {
        name: "upload_jobs",
        columns: &[column("upload", Text), column("job", Text)],
        order: Order::By(&["upload", "job"]),
    },
    Table {
        name: "media_links",
        columns: &[
            column("id", Text),
            column("tenant", Text),
            column("reference", Bytes),
            column("job", Text),
            column("created_at", Integer),
        ],
        order: Order::By(&["id"]),
    },
    Table {
        name: "stats_samples",
        columns: &[
            column("tenant", Text),
            column("channel", Text),
            column("at", Integer),
            column("stats", Text),
        ],
        order: Order::By(&["tenant", "channel", "at"]),
    },
    Table {
        name: "post_samples",
        columns: &[
            column("tenant", Text),
            column("channel", Text),
            column("post", Text),
            column("at", Integer),
            column("stats", Text),
        ],
        order: Order::By(&["tenant", "channel", "post", "at"]),
    },
    // After what the copy itself makes a database tell.
    Table {
        name: "outbox",
        columns: &[
            column("id", Text),
            column("tenant", Text),
            column("number", Integer),
            column("kind", Text),
            column("at", Integer),
            column("app", Text),
            column("channel", Text),
            column("display_name", Text),
            column("health", Text),
            column("detail", Text),
            column("job", Text),
            column("status", Text),
            column("post_id", Text),
            column("url", Text),
            column("idempotency_key", Text),
            column("error", Text),
            column("provider", Text),
            column("version", Text),
            column("digest", Text),
        ],
        order: Order::Inserted,
    },
    Table {
        name: "outbox_heads",
        columns: &[column("tenant", Text), column("number", Integer)],
        order: Order::By(&["tenant"]),
    },
    Table {
        name: "endpoints",
        columns: &[
            column("id", Text),
            column("tenant", Text),
            column("target", Bytes),
            column("description", Text),
            column("kinds", Text),
            column("position", Integer),
            column("due_at", Integer),
            column("resume_at", Integer),
            column("failures", Integer),
            column("failing_since", Integer),
            column("disabled_at", Integer),
            column("disabled_why", Text),
            column("created_at", Integer),
            column("updated_at", Integer),
            column("fence", Integer),
        ],
        order: Order::By(&["id"]),
    },
    Table {
        name: "deliveries",
        columns: &[
            column("endpoint", Text),
            column("number", Integer),
            column("event", Text),
            column("kind", Text),
            column("at", Integer),
            column("attempts", Integer),
            column("due_at", Integer),
            column("delivered_at", Integer),
        ],
        order: Order::By(&["endpoint", "number"]),
    },
    Table {
        name: "delivery_attempts",
        columns: &[
            column("endpoint", Text),
            column("number", Integer),
            column("at", Integer),
            column("took_ms", Integer),
            column("status", Integer),
            column("failure", Text),
        ],
        order: Order::Inserted,
    },
];
