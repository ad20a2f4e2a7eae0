-- Line 1. Never edited after a release: later lines are files of their own.
-- Instants are milliseconds since 1970; *_at_s are seconds. BLOBs are ciphertext, but for components.bytes.

CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

CREATE TABLE components (
  digest TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  version TEXT NOT NULL,
  bytes BLOB NOT NULL,
  added_at INTEGER NOT NULL
) STRICT;

-- The component that new apps of a provider run.
CREATE TABLE providers (
  id TEXT PRIMARY KEY,
  digest TEXT NOT NULL REFERENCES components (digest)
) STRICT;

CREATE TABLE apps (
  id TEXT PRIMARY KEY,
  tenant TEXT,
  provider TEXT NOT NULL,
  digest TEXT NOT NULL REFERENCES components (digest),
  settings BLOB NOT NULL,
  grants TEXT NOT NULL,
  redirect_uri TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  app TEXT NOT NULL,
  owner TEXT NOT NULL,
  payload BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  spent INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE accounts (
  channel TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  app TEXT NOT NULL,
  account TEXT NOT NULL,
  display_name TEXT NOT NULL,
  avatar_url TEXT,
  consent_group TEXT,
  credentials BLOB NOT NULL,
  credentials_revision INTEGER NOT NULL,
  issued_at INTEGER NOT NULL,
  scopes TEXT NOT NULL,
  missing_scopes TEXT NOT NULL,
  expires_at_s INTEGER,
  refresh_expires_at_s INTEGER,
  refresh_due_at INTEGER,
  health TEXT NOT NULL,
  health_detail TEXT,
  connected_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  lease_owner TEXT,
  lease_until INTEGER NOT NULL DEFAULT 0,
  fence INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, app, account)
) STRICT;
CREATE INDEX accounts_by_consent ON accounts (app, consent_group);

CREATE TABLE jobs (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  app TEXT NOT NULL,
  channel TEXT NOT NULL,
  digest TEXT NOT NULL,
  -- Whose state it is, where somebody moved the job to another component that has not yet taken a step.
  moved_from TEXT,
  request BLOB NOT NULL,
  request_hash TEXT NOT NULL,
  idempotency_key TEXT,
  retry_of TEXT,
  consent TEXT,
  priority INTEGER NOT NULL,
  publish_at INTEGER,
  state BLOB,
  once INTEGER NOT NULL,
  interrupted INTEGER NOT NULL,
  once_begun INTEGER NOT NULL,
  sent_at INTEGER,
  status TEXT NOT NULL,
  phase TEXT NOT NULL,
  bytes_sent INTEGER NOT NULL,
  bytes_total INTEGER NOT NULL,
  wake_at INTEGER,
  attempts INTEGER NOT NULL,
  deadline_at INTEGER NOT NULL,
  cancel_requested INTEGER NOT NULL,
  post_id TEXT,
  url TEXT,
  error TEXT,
  quotas TEXT,
  asked_at INTEGER,
  forced INTEGER NOT NULL DEFAULT 0,
  resolution TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  ended_at INTEGER,
  lease_owner TEXT,
  lease_until INTEGER NOT NULL DEFAULT 0,
  fence INTEGER NOT NULL DEFAULT 0,
  UNIQUE (tenant, idempotency_key)
) STRICT;
CREATE INDEX jobs_due ON jobs (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX jobs_by_channel ON jobs (tenant, channel, created_at);
CREATE INDEX jobs_leased ON jobs (tenant, channel) WHERE lease_owner IS NOT NULL;

-- When a channel last had its turn, so that one with many jobs does not hold up the others.
CREATE TABLE turns (
  tenant TEXT NOT NULL,
  channel TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (tenant, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_references (
  app TEXT NOT NULL,
  reference TEXT NOT NULL,
  job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  PRIMARY KEY (app, reference, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_references_by_job ON job_references (job);

CREATE TABLE job_history (
  job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  at_ms INTEGER NOT NULL,
  call TEXT NOT NULL,
  phase TEXT NOT NULL,
  result TEXT NOT NULL,
  message TEXT,
  code TEXT,
  trace_id TEXT
) STRICT;
CREATE INDEX job_history_by_job ON job_history (job);
CREATE INDEX job_history_by_age ON job_history (at_ms);

-- `version` comes from one counter, so that a key's version never comes again.
CREATE TABLE provider_values (
  app TEXT NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  version INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (app, key)
) STRICT;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('provider_values', 0), ('apps', 0);

-- What webhooks said. Each id once; kept unmatched for the job that gets that reference a moment later.
CREATE TABLE events (
  app TEXT NOT NULL,
  id TEXT NOT NULL,
  reference TEXT,
  account TEXT,
  evidence BLOB,
  received_at INTEGER NOT NULL,
  job TEXT,
  taken INTEGER NOT NULL,
  PRIMARY KEY (app, id)
) STRICT;
CREATE INDEX events_unmatched ON events (app, reference) WHERE job IS NULL;
CREATE INDEX events_waiting ON events (job) WHERE taken = 0;
