-- Schema 1. Never edited after a release: later ones are files of their own. A table's name in braces gets the prefix.
-- Every statement can be run again, because MySQL commits each of them by itself: an upgrade that was cut off is repeated.
--
-- Rows mean what they mean in the SQLite store. Instants are milliseconds since 1970; *_at_s are seconds.
--
-- Texts are columns of bytes (VARBINARY, MEDIUMBLOB), which hold UTF-8: they compare by their bytes, and a space at the end
-- counts. No collation does that in MariaDB and in MySQL under one name (utf8mb4_bin ignores spaces at the end). The
-- lengths of indexed ones are those that the library keeps (`LINE`, 1024 bytes); an index holds 3072 bytes.
--
-- No triggers and no functions: with a binary log, MySQL lets only an administrator make them. What PostgreSQL's triggers
-- do here is done by queue.rs.

CREATE TABLE IF NOT EXISTS {meta} (
  name VARBINARY(255) NOT NULL PRIMARY KEY,
  value MEDIUMBLOB NOT NULL
) ENGINE=InnoDB;

-- What is locked where no row exists yet: a number stands for many things, which costs them a wait at most.
CREATE TABLE IF NOT EXISTS {locks} (
  number INT NOT NULL PRIMARY KEY
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {components} (
  digest VARBINARY(100) NOT NULL PRIMARY KEY,
  provider VARBINARY(255) NOT NULL,
  version MEDIUMBLOB NOT NULL,
  size BIGINT NOT NULL,
  added_at BIGINT NOT NULL
) ENGINE=InnoDB;

-- A component is larger than a server takes at once (`max_allowed_packet`).
CREATE TABLE IF NOT EXISTS {component_parts} (
  digest VARBINARY(100) NOT NULL,
  part INT NOT NULL,
  bytes MEDIUMBLOB NOT NULL,
  PRIMARY KEY (digest, part),
  FOREIGN KEY (digest) REFERENCES {components} (digest) ON DELETE CASCADE
) ENGINE=InnoDB;

-- The component that new apps of a provider run.
CREATE TABLE IF NOT EXISTS {providers} (
  id VARBINARY(255) NOT NULL PRIMARY KEY,
  digest VARBINARY(100) NOT NULL,
  FOREIGN KEY (digest) REFERENCES {components} (digest)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {apps} (
  id VARBINARY(64) NOT NULL PRIMARY KEY,
  tenant VARBINARY(64),
  provider VARBINARY(255) NOT NULL,
  digest VARBINARY(100) NOT NULL,
  settings MEDIUMBLOB NOT NULL,
  grants MEDIUMBLOB NOT NULL,
  redirect_uri MEDIUMBLOB,
  listing MEDIUMBLOB,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  FOREIGN KEY (digest) REFERENCES {components} (digest)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {sessions} (
  id VARBINARY(255) NOT NULL PRIMARY KEY,
  tenant VARBINARY(64) NOT NULL,
  app VARBINARY(64) NOT NULL,
  owner VARBINARY(255) NOT NULL,
  payload MEDIUMBLOB NOT NULL,
  expires_at BIGINT NOT NULL,
  spent BOOLEAN NOT NULL DEFAULT FALSE,
  KEY by_tenant (tenant),
  KEY by_end (expires_at)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {accounts} (
  channel VARBINARY(255) NOT NULL PRIMARY KEY,
  tenant VARBINARY(64) NOT NULL,
  app VARBINARY(64) NOT NULL,
  account VARBINARY(1024) NOT NULL,
  display_name MEDIUMBLOB NOT NULL,
  avatar_url MEDIUMBLOB,
  consent_group VARBINARY(1024),
  credentials MEDIUMBLOB NOT NULL,
  credentials_revision BIGINT NOT NULL,
  issued_at BIGINT NOT NULL,
  scopes MEDIUMBLOB NOT NULL,
  missing_scopes MEDIUMBLOB NOT NULL,
  expires_at_s BIGINT,
  refresh_expires_at_s BIGINT,
  refresh_due_at BIGINT,
  health VARBINARY(32) NOT NULL,
  health_detail MEDIUMBLOB,
  connected_at BIGINT NOT NULL,
  connected_by MEDIUMBLOB,
  updated_at BIGINT NOT NULL,
  -- When name and picture were last read, and when the newest posts were last asked for.
  looked_at BIGINT NOT NULL DEFAULT 0,
  posts_sampled_at BIGINT NOT NULL DEFAULT 0,
  lease_owner VARBINARY(255),
  lease_until BIGINT NOT NULL DEFAULT 0,
  fence BIGINT NOT NULL DEFAULT 0,
  UNIQUE KEY of_account (tenant, app, account),
  KEY by_channel (tenant, channel),
  KEY by_consent (app, consent_group),
  KEY by_account (app, account),
  FOREIGN KEY (app) REFERENCES {apps} (id)
) ENGINE=InnoDB;

-- What is left of a disconnected channel: nothing but who it was. Its counters go on, so that an answer which was under
-- way for the old connection counts for nothing in the new one.
CREATE TABLE IF NOT EXISTS {former_channels} (
  tenant VARBINARY(64) NOT NULL,
  app VARBINARY(64) NOT NULL,
  account VARBINARY(1024) NOT NULL,
  channel VARBINARY(255) NOT NULL,
  credentials_revision BIGINT NOT NULL,
  fence BIGINT NOT NULL,
  PRIMARY KEY (tenant, app, account),
  KEY of_app (app)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {jobs} (
  id VARBINARY(255) NOT NULL PRIMARY KEY,
  tenant VARBINARY(64) NOT NULL,
  app VARBINARY(64) NOT NULL,
  channel VARBINARY(255) NOT NULL,
  digest VARBINARY(100) NOT NULL,
  -- Whose state it is, where somebody moved the job to another component that has not yet taken a step.
  moved_from VARBINARY(100),
  request MEDIUMBLOB NOT NULL,
  request_hash VARBINARY(255) NOT NULL,
  idempotency_key VARBINARY(1024),
  retry_of VARBINARY(255),
  submitted_by MEDIUMBLOB,
  consent MEDIUMBLOB,
  priority INT NOT NULL,
  -- What a priority counts for when the next job is chosen: few different values, so that each can be looked at.
  weight INT GENERATED ALWAYS AS (GREATEST(-100, LEAST(100, priority))) STORED,
  publish_at BIGINT,
  state MEDIUMBLOB,
  once BOOLEAN NOT NULL,
  interrupted BOOLEAN NOT NULL,
  once_begun BOOLEAN NOT NULL,
  sent_at BIGINT,
  status VARBINARY(32) NOT NULL,
  phase MEDIUMBLOB NOT NULL,
  bytes_sent BIGINT NOT NULL,
  bytes_total BIGINT NOT NULL,
  wake_at BIGINT,
  attempts BIGINT NOT NULL,
  deadline_at BIGINT NOT NULL,
  cancel_requested BOOLEAN NOT NULL,
  post_id MEDIUMBLOB,
  url MEDIUMBLOB,
  error MEDIUMBLOB,
  quotas MEDIUMBLOB,
  asked_at BIGINT,
  forced BOOLEAN NOT NULL DEFAULT FALSE,
  resolution MEDIUMBLOB,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  ended_at BIGINT,
  lease_owner VARBINARY(255),
  lease_until BIGINT NOT NULL DEFAULT 0,
  fence BIGINT NOT NULL DEFAULT 0,
  -- Only of jobs that are held. MySQL has no index of some rows; a key with NULL in it is in nobody's way.
  held_channel VARBINARY(255) GENERATED ALWAYS AS (CASE WHEN lease_owner IS NULL THEN NULL ELSE channel END) STORED,
  -- When it was sent, of a publish whose answer may have been lost: for webhooks.
  sent_open BIGINT GENERATED ALWAYS AS
    (CASE WHEN once_begun AND status IN ('active', 'paused', 'unknown') THEN sent_at ELSE NULL END) STORED,
  UNIQUE KEY by_key (tenant, idempotency_key),
  -- Of one channel only one job is held at a time, because allowances are counted per account and posts keep their order.
  UNIQUE KEY held (tenant, held_channel),
  KEY waiting (tenant, channel, weight, wake_at, created_at),
  KEY by_channel (tenant, channel, created_at),
  KEY by_time (tenant, created_at DESC, id),
  KEY still_open (tenant, channel, ended_at),
  KEY ended (ended_at),
  -- Of the attempts at one post only one may come to something.
  KEY by_retry (tenant, retry_of),
  KEY sent (tenant, channel, sent_open)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {job_references} (
  app VARBINARY(64) NOT NULL,
  reference VARBINARY(1024) NOT NULL,
  job VARBINARY(255) NOT NULL,
  PRIMARY KEY (app, reference, job),
  KEY by_job (job),
  FOREIGN KEY (job) REFERENCES {jobs} (id) ON DELETE CASCADE
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {job_history} (
  seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  job VARBINARY(255) NOT NULL,
  at_ms BIGINT NOT NULL,
  `call` VARBINARY(255) NOT NULL,
  phase MEDIUMBLOB NOT NULL,
  result MEDIUMBLOB NOT NULL,
  message MEDIUMBLOB,
  code MEDIUMBLOB,
  trace_id MEDIUMBLOB,
  made_by MEDIUMBLOB,
  KEY by_job (job, seq),
  KEY by_age (at_ms),
  FOREIGN KEY (job) REFERENCES {jobs} (id) ON DELETE CASCADE
) ENGINE=InnoDB;

-- Each write makes a new row, whose number is its version: so a key's version never comes again.
CREATE TABLE IF NOT EXISTS {provider_values} (
  app VARBINARY(64) NOT NULL,
  name VARBINARY(512) NOT NULL,
  value MEDIUMBLOB NOT NULL,
  size BIGINT NOT NULL,
  version BIGINT NOT NULL AUTO_INCREMENT,
  expires_at BIGINT,
  PRIMARY KEY (app, name),
  UNIQUE KEY by_version (version),
  -- The bytes of an app's values are added up without reading the values.
  KEY by_size (app, size),
  KEY by_end (app, expires_at)
) ENGINE=InnoDB;

-- The highest revision of a deleted app, so that a new app does not repeat it.
CREATE TABLE IF NOT EXISTS {counters} (
  name VARBINARY(64) NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
) ENGINE=InnoDB;
INSERT INTO {counters} (name, value) VALUES ('apps', 0) ON DUPLICATE KEY UPDATE value = value;

-- What webhooks said. Each id once; kept unmatched for the job that gets that reference a moment later.
CREATE TABLE IF NOT EXISTS {events} (
  seq BIGINT NOT NULL AUTO_INCREMENT,
  app VARBINARY(64) NOT NULL,
  id VARBINARY(1024) NOT NULL,
  reference VARBINARY(1024),
  account VARBINARY(1024),
  evidence MEDIUMBLOB,
  received_at BIGINT NOT NULL,
  job VARBINARY(255),
  taken BOOLEAN NOT NULL,
  PRIMARY KEY (app, id),
  UNIQUE KEY by_seq (seq),
  KEY unmatched (app, reference),
  KEY of_account (app, account),
  KEY waiting (job, taken, seq),
  KEY by_age (received_at),
  KEY of_app (app, received_at)
) ENGINE=InnoDB;

-- What a front door keeps, by kind and id. `facts` is JSON of its own; `tenant` is what they say under that name.
CREATE TABLE IF NOT EXISTS {documents} (
  kind VARBINARY(64) NOT NULL,
  id VARBINARY(512) NOT NULL,
  facts MEDIUMBLOB NOT NULL,
  tenant VARBINARY(1024),
  body MEDIUMBLOB,
  created_at BIGINT NOT NULL,
  expires_at BIGINT,
  PRIMARY KEY (kind, id),
  KEY by_tenant (kind, tenant, id),
  KEY by_end (expires_at)
) ENGINE=InnoDB;

-- What a front door has of a post that is not published yet, sealed: it may name media by secret addresses.
CREATE TABLE IF NOT EXISTS {drafts} (
  tenant VARBINARY(64) NOT NULL,
  id VARBINARY(255) NOT NULL,
  content MEDIUMBLOB NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (tenant, id),
  KEY by_end (expires_at)
) ENGINE=InnoDB;

-- Media that callers brought. The bytes lie in files. A held one outlives the jobs that published it.
CREATE TABLE IF NOT EXISTS {uploads} (
  id VARBINARY(255) NOT NULL PRIMARY KEY,
  tenant VARBINARY(64) NOT NULL,
  file_name MEDIUMBLOB,
  content_type MEDIUMBLOB,
  size BIGINT NOT NULL,
  held BOOLEAN NOT NULL DEFAULT FALSE,
  created_at BIGINT NOT NULL,
  KEY by_tenant (tenant, created_at DESC, id DESC),
  KEY by_size (tenant, size)
) ENGINE=InnoDB;

-- Which jobs publish which upload. No foreign key on jobs: an upload outlives them.
CREATE TABLE IF NOT EXISTS {upload_jobs} (
  upload VARBINARY(255) NOT NULL,
  job VARBINARY(255) NOT NULL,
  PRIMARY KEY (upload, job),
  KEY by_job (job),
  FOREIGN KEY (upload) REFERENCES {uploads} (id) ON DELETE CASCADE
) ENGINE=InnoDB;

-- Addresses at which a platform fetches media. `id` is a hash of the address's secret part.
CREATE TABLE IF NOT EXISTS {media_links} (
  id VARBINARY(255) NOT NULL PRIMARY KEY,
  tenant VARBINARY(64) NOT NULL,
  reference MEDIUMBLOB NOT NULL,
  job VARBINARY(255),
  created_at BIGINT NOT NULL,
  KEY by_job (job)
) ENGINE=InnoDB;

-- Numbers over time, as JSON. They outlive the connection, and end with their age, or with the app.
CREATE TABLE IF NOT EXISTS {stats_samples} (
  tenant VARBINARY(64) NOT NULL,
  channel VARBINARY(255) NOT NULL,
  at BIGINT NOT NULL,
  stats MEDIUMBLOB NOT NULL,
  PRIMARY KEY (tenant, channel, at),
  KEY by_age (at)
) ENGINE=InnoDB;
CREATE TABLE IF NOT EXISTS {post_samples} (
  tenant VARBINARY(64) NOT NULL,
  channel VARBINARY(255) NOT NULL,
  post VARBINARY(1024) NOT NULL,
  at BIGINT NOT NULL,
  stats MEDIUMBLOB NOT NULL,
  PRIMARY KEY (tenant, channel, post, at),
  KEY by_age (at)
) ENGINE=InnoDB;

-- ---- which due job is next ------------------------------------------------------------------------

-- When a channel last had its turn, so that one with many jobs does not hold up the others. Who takes a job of a channel
-- holds this row.
CREATE TABLE IF NOT EXISTS {channel_fairness} (
  tenant VARBINARY(64) NOT NULL,
  channel VARBINARY(255) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (tenant, channel)
) ENGINE=InnoDB;

-- Of each channel and weight: when its first job is due, and when the channel last had its turn. Who changes it holds the
-- row, and looks at the jobs after that, so it is exact in every snapshot. `due_at` is NULL while no job waits for a time.
CREATE TABLE IF NOT EXISTS {channel_queue} (
  tenant VARBINARY(64) NOT NULL,
  channel VARBINARY(255) NOT NULL,
  weight INT NOT NULL,
  due_at BIGINT,
  turn_at BIGINT NOT NULL,
  since BIGINT GENERATED ALWAYS AS (GREATEST(due_at, turn_at)) STORED,
  PRIMARY KEY (tenant, channel, weight),
  KEY by_turn (tenant, weight, since),
  KEY by_due (tenant, due_at),
  KEY unused (due_at)
) ENGINE=InnoDB;

-- The same of each tenant. `due_at` is never later than the first of its channels', and may be earlier: only who looks for
-- a job raises it. So jobs of one tenant do not wait for each other to be stored.
CREATE TABLE IF NOT EXISTS {tenant_queue} (
  tenant VARBINARY(64) NOT NULL PRIMARY KEY,
  due_at BIGINT,
  turn_at BIGINT NOT NULL DEFAULT 0,
  since BIGINT GENERATED ALWAYS AS (GREATEST(due_at, turn_at)) STORED,
  KEY by_turn (since),
  KEY turns (turn_at)
) ENGINE=InnoDB;

-- How many jobs a tenant has, and how many of them are open: the sum of several rows, so that its jobs do not wait for
-- each other.
CREATE TABLE IF NOT EXISTS {tenant_counts} (
  tenant VARBINARY(64) NOT NULL,
  part INT NOT NULL,
  open_jobs BIGINT NOT NULL,
  kept_jobs BIGINT NOT NULL,
  PRIMARY KEY (tenant, part)
) ENGINE=InnoDB;
