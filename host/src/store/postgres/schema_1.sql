-- Schema 1. Never edited after a release: later ones are files of their own.
-- Rows mean what they mean in the SQLite store. Instants are milliseconds since 1970; *_at_s are seconds. bytea is
-- ciphertext, but for components.bytes, documents.body and provider_values.key. Texts compare by their bytes.

-- Milliseconds of the clock that all processes share.
CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE
  AS $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

CREATE TABLE meta (key text COLLATE "C" PRIMARY KEY, value bytea NOT NULL);

CREATE TABLE components (
  digest text COLLATE "C" PRIMARY KEY,
  provider text COLLATE "C" NOT NULL,
  version text COLLATE "C" NOT NULL,
  bytes bytea NOT NULL,
  added_at bigint NOT NULL
);

-- The component that new apps of a provider run.
CREATE TABLE providers (
  id text COLLATE "C" PRIMARY KEY,
  digest text COLLATE "C" NOT NULL REFERENCES components (digest)
);

CREATE TABLE apps (
  id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C",
  provider text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL REFERENCES components (digest),
  settings bytea NOT NULL,
  grants text COLLATE "C" NOT NULL,
  redirect_uri text COLLATE "C",
  listing text COLLATE "C",
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  revision bigint NOT NULL
);

CREATE TABLE sessions (
  id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  app text COLLATE "C" NOT NULL,
  owner text COLLATE "C" NOT NULL,
  payload bytea NOT NULL,
  expires_at bigint NOT NULL,
  spent boolean NOT NULL DEFAULT false
);
CREATE INDEX sessions_by_tenant ON sessions (tenant);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE accounts (
  channel text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  app text COLLATE "C" NOT NULL REFERENCES apps (id),
  account text COLLATE "C" NOT NULL,
  display_name text COLLATE "C" NOT NULL,
  avatar_url text COLLATE "C",
  consent_group text COLLATE "C",
  credentials bytea NOT NULL,
  credentials_revision bigint NOT NULL,
  issued_at bigint NOT NULL,
  scopes text COLLATE "C" NOT NULL,
  missing_scopes text COLLATE "C" NOT NULL,
  expires_at_s bigint,
  refresh_expires_at_s bigint,
  refresh_due_at bigint,
  health text COLLATE "C" NOT NULL,
  health_detail text COLLATE "C",
  connected_at bigint NOT NULL,
  connected_by text COLLATE "C",
  updated_at bigint NOT NULL,
  -- When name and picture were last read, and when the newest posts were last asked for.
  looked_at bigint NOT NULL DEFAULT 0,
  posts_sampled_at bigint NOT NULL DEFAULT 0,
  lease_owner text COLLATE "C",
  lease_until bigint NOT NULL DEFAULT 0,
  fence bigint NOT NULL DEFAULT 0,
  UNIQUE (tenant, app, account)
);
CREATE INDEX accounts_by_channel ON accounts (tenant, channel);
CREATE INDEX accounts_by_consent ON accounts (app, consent_group);
CREATE INDEX accounts_by_account ON accounts (app, account);

-- What is left of a disconnected channel: nothing but who it was. Its counters go on, so that an answer which was under
-- way for the old connection counts for nothing in the new one.
CREATE TABLE former_channels (
  tenant text COLLATE "C" NOT NULL,
  app text COLLATE "C" NOT NULL,
  account text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  credentials_revision bigint NOT NULL,
  fence bigint NOT NULL,
  PRIMARY KEY (tenant, app, account)
);

CREATE TABLE jobs (
  id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  app text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  -- Whose state it is, where somebody moved the job to another component that has not yet taken a step.
  moved_from text COLLATE "C",
  request bytea NOT NULL,
  request_hash text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C",
  retry_of text COLLATE "C",
  submitted_by text COLLATE "C",
  consent text COLLATE "C",
  priority integer NOT NULL,
  -- What a priority counts for when the next job is chosen: few different values, so that each can be looked at.
  weight integer NOT NULL GENERATED ALWAYS AS (greatest(-100, least(100, priority))) STORED,
  publish_at bigint,
  state bytea,
  once boolean NOT NULL,
  interrupted boolean NOT NULL,
  once_begun boolean NOT NULL,
  sent_at bigint,
  status text COLLATE "C" NOT NULL,
  phase text COLLATE "C" NOT NULL,
  bytes_sent bigint NOT NULL,
  bytes_total bigint NOT NULL,
  wake_at bigint,
  attempts bigint NOT NULL,
  deadline_at bigint NOT NULL,
  cancel_requested boolean NOT NULL,
  post_id text COLLATE "C",
  url text COLLATE "C",
  error text COLLATE "C",
  quotas text COLLATE "C",
  asked_at bigint,
  forced boolean NOT NULL DEFAULT false,
  resolution text COLLATE "C",
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  ended_at bigint,
  lease_owner text COLLATE "C",
  lease_until bigint NOT NULL DEFAULT 0,
  fence bigint NOT NULL DEFAULT 0,
  UNIQUE (tenant, idempotency_key)
-- Room for a new version of a row on its page, and a look at dead ones long before a fifth of all jobs are.
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX jobs_waiting ON jobs (tenant, channel, weight, wake_at, created_at) WHERE wake_at IS NOT NULL;
-- Of one channel only one job is held at a time, because allowances are counted per account and posts keep their order.
CREATE UNIQUE INDEX jobs_held ON jobs (tenant, channel) WHERE lease_owner IS NOT NULL;
CREATE INDEX jobs_by_channel ON jobs (tenant, channel, created_at);
CREATE INDEX jobs_by_time ON jobs (tenant, created_at DESC, id);
CREATE INDEX jobs_open ON jobs (tenant, channel) WHERE ended_at IS NULL;
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
-- Of the attempts at one post only one may come to something.
CREATE INDEX jobs_by_retry ON jobs (tenant, retry_of) WHERE retry_of IS NOT NULL;
-- The publishes whose answer may have been lost, for webhooks.
CREATE INDEX jobs_sent ON jobs (app, tenant, channel, sent_at)
  WHERE once_begun AND status IN ('active', 'paused', 'unknown');

CREATE TABLE job_references (
  app text COLLATE "C" NOT NULL,
  reference text COLLATE "C" NOT NULL,
  job text COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  PRIMARY KEY (app, reference, job)
);
CREATE INDEX job_references_by_job ON job_references (job);

CREATE TABLE job_history (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job text COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  at_ms bigint NOT NULL,
  call text COLLATE "C" NOT NULL,
  phase text COLLATE "C" NOT NULL,
  result text COLLATE "C" NOT NULL,
  message text COLLATE "C",
  code text COLLATE "C",
  trace_id text COLLATE "C",
  made_by text COLLATE "C"
);
CREATE INDEX job_history_by_job ON job_history (job, seq);
CREATE INDEX job_history_by_age ON job_history (at_ms);

-- `version` comes from one sequence, so that a key's version never comes again.
CREATE SEQUENCE provider_values_version;
CREATE TABLE provider_values (
  app text COLLATE "C" NOT NULL,
  -- Any text, also with the character that PostgreSQL's texts cannot hold.
  key bytea NOT NULL,
  value bytea NOT NULL,
  version bigint NOT NULL,
  expires_at bigint,
  PRIMARY KEY (app, key)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
-- The bytes of an app's values are added up without reading the values.
CREATE INDEX provider_values_size ON provider_values (app, length(value));

-- The highest revision of a deleted app, so that a new app does not repeat it.
CREATE TABLE counters (name text COLLATE "C" PRIMARY KEY, value bigint NOT NULL);
INSERT INTO counters VALUES ('apps', 0);

-- What webhooks said. Each id once; kept unmatched for the job that gets that reference a moment later.
CREATE TABLE events (
  seq bigint GENERATED ALWAYS AS IDENTITY,
  app text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  reference text COLLATE "C",
  account text COLLATE "C",
  evidence bytea,
  received_at bigint NOT NULL,
  job text COLLATE "C",
  taken boolean NOT NULL,
  PRIMARY KEY (app, id)
);
CREATE INDEX events_unmatched ON events (app, reference) WHERE job IS NULL;
CREATE INDEX events_waiting ON events (job, seq) WHERE NOT taken;
CREATE INDEX events_by_age ON events (received_at);
CREATE INDEX events_of_app ON events (app, received_at);

-- What a front door keeps, by kind and id. `facts` is JSON of its own; `tenant` is what they say under that name.
CREATE TABLE documents (
  kind text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  facts text COLLATE "C" NOT NULL,
  tenant text COLLATE "C",
  body bytea,
  created_at bigint NOT NULL,
  expires_at bigint,
  PRIMARY KEY (kind, id)
);
CREATE INDEX documents_by_tenant ON documents (kind, tenant, id);
CREATE INDEX documents_by_end ON documents (expires_at) WHERE expires_at IS NOT NULL;

-- What a front door has of a post that is not published yet, sealed: it may name media by secret addresses.
CREATE TABLE drafts (
  tenant text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  content bytea NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX drafts_by_end ON drafts (expires_at);

-- Media that callers brought. The bytes lie in files. A held one outlives the jobs that published it.
CREATE TABLE uploads (
  id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  file_name text COLLATE "C",
  content_type text COLLATE "C",
  size bigint NOT NULL,
  held boolean NOT NULL DEFAULT false,
  created_at bigint NOT NULL
);
CREATE INDEX uploads_by_tenant ON uploads (tenant, created_at DESC, id DESC);
CREATE INDEX uploads_size ON uploads (tenant, size);

-- Which jobs publish which upload. No foreign key on jobs: an upload outlives them.
CREATE TABLE upload_jobs (
  upload text COLLATE "C" NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
  job text COLLATE "C" NOT NULL,
  PRIMARY KEY (upload, job)
);
CREATE INDEX upload_jobs_by_job ON upload_jobs (job);

-- Addresses at which a platform fetches media. `id` is a hash of the address's secret part.
CREATE TABLE media_links (
  id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  reference bytea NOT NULL,
  job text COLLATE "C",
  created_at bigint NOT NULL
);
CREATE INDEX media_links_by_job ON media_links (job);

-- Numbers over time, as JSON. They outlive the connection, and end with their age, or with the app.
CREATE TABLE stats_samples (
  tenant text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  stats text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, channel, at)
);
CREATE INDEX stats_samples_by_age ON stats_samples (at);
CREATE TABLE post_samples (
  tenant text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  post text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  stats text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant, channel, post, at)
);
CREATE INDEX post_samples_by_age ON post_samples (at);

-- ---- which due job is next ------------------------------------------------------------------------

-- When a channel last had its turn, so that one with many jobs does not hold up the others. Who takes a job of a channel
-- holds this row.
CREATE TABLE channel_fairness (
  tenant text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (tenant, channel)
) WITH (fillfactor = 50);

-- Of each channel and weight: when its first job is due, and when the channel last had its turn. Kept by triggers, so
-- that no write of a job can forget it, and exact in every snapshot: who changes it holds the row, and looks at the jobs
-- after that. `due_at` is NULL while no job waits for a time.
CREATE TABLE channel_queue (
  tenant text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  weight integer NOT NULL,
  due_at bigint,
  turn_at bigint NOT NULL,
  PRIMARY KEY (tenant, channel, weight)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
CREATE INDEX channel_queue_order ON channel_queue (tenant, weight, (greatest(due_at, turn_at))) WHERE due_at IS NOT NULL;
CREATE INDEX channel_queue_due ON channel_queue (tenant, due_at) WHERE due_at IS NOT NULL;

-- The same of each tenant. `due_at` is never later than the first of its channels', and may be earlier: only who looks for
-- a job raises it. So jobs of one tenant do not wait for each other to be stored.
CREATE TABLE tenant_queue (
  tenant text COLLATE "C" PRIMARY KEY,
  due_at bigint,
  turn_at bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);
CREATE INDEX tenant_queue_order ON tenant_queue ((greatest(due_at, turn_at))) WHERE due_at IS NOT NULL;
CREATE INDEX tenant_queue_turns ON tenant_queue (turn_at);

-- How many jobs a tenant has, and how many of them are open: the sum of several rows, so that its jobs do not wait for
-- each other.
CREATE TABLE tenant_counts (
  tenant text COLLATE "C" NOT NULL,
  part integer NOT NULL,
  open bigint NOT NULL,
  kept bigint NOT NULL,
  PRIMARY KEY (tenant, part)
) WITH (fillfactor = 50);

-- Makes the entry of a channel and weight agree with its jobs, and the tenant due no later than that.
CREATE FUNCTION requeue(of_tenant text, of_channel text, of_weight integer) RETURNS void
  LANGUAGE plpgsql AS $$
DECLARE
  known bigint;
  first_due bigint;
  tenant_due bigint;
BEGIN
  SELECT q.due_at INTO known FROM channel_queue q
    WHERE q.tenant = of_tenant AND q.channel = of_channel AND q.weight = of_weight FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    INSERT INTO channel_queue (tenant, channel, weight, turn_at) VALUES (of_tenant, of_channel, of_weight,
      coalesce((SELECT f.at FROM channel_fairness f WHERE f.tenant = of_tenant AND f.channel = of_channel), 0))
      ON CONFLICT (tenant, channel, weight) DO NOTHING;
    SELECT q.due_at INTO known FROM channel_queue q
      WHERE q.tenant = of_tenant AND q.channel = of_channel AND q.weight = of_weight FOR NO KEY UPDATE;
  END IF;
  -- A statement of its own: it sees what was committed before the row was ours.
  SELECT min(j.wake_at) INTO first_due FROM jobs j
    WHERE j.tenant = of_tenant AND j.channel = of_channel AND j.weight = of_weight AND j.wake_at IS NOT NULL;
  IF first_due IS NOT DISTINCT FROM known THEN
    RETURN;
  END IF;
  UPDATE channel_queue q SET due_at = first_due
    WHERE q.tenant = of_tenant AND q.channel = of_channel AND q.weight = of_weight;
  IF first_due IS NULL OR first_due > known THEN
    RETURN;
  END IF;
  -- Nobody raises the tenant's time until this is committed; others may lower it.
  SELECT t.due_at INTO tenant_due FROM tenant_queue t WHERE t.tenant = of_tenant FOR KEY SHARE;
  IF NOT FOUND THEN
    INSERT INTO tenant_queue AS t (tenant, due_at) VALUES (of_tenant, first_due)
      ON CONFLICT (tenant) DO UPDATE SET due_at = least(t.due_at, excluded.due_at);
  ELSIF tenant_due IS NULL OR tenant_due > first_due THEN
    UPDATE tenant_queue t SET due_at = least(t.due_at, first_due) WHERE t.tenant = of_tenant;
  END IF;
END
$$;

-- Makes the tenant due when the first of its channels is, unless somebody is just storing a job of it.
CREATE FUNCTION raise_tenant(of_tenant text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM 1 FROM tenant_queue t WHERE t.tenant = of_tenant FOR UPDATE SKIP LOCKED;
  IF FOUND THEN
    UPDATE tenant_queue t SET due_at = (SELECT min(q.due_at) FROM channel_queue q
      WHERE q.tenant = of_tenant AND q.due_at IS NOT NULL) WHERE t.tenant = of_tenant;
  END IF;
END
$$;

CREATE FUNCTION part_of(job text) RETURNS integer LANGUAGE sql IMMUTABLE
  AS $$ SELECT ('x' || substr(md5(job), 1, 1))::bit(4)::integer $$;

CREATE FUNCTION count_job(of_tenant text, job text, opened integer, added integer) RETURNS void
  LANGUAGE sql AS $$
  INSERT INTO tenant_counts AS c (tenant, part, open, kept) VALUES (of_tenant, part_of(job), opened, added)
    ON CONFLICT (tenant, part) DO UPDATE SET open = c.open + excluded.open, kept = c.kept + excluded.kept
$$;

CREATE FUNCTION job_inserted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.wake_at IS NOT NULL THEN
    PERFORM requeue(NEW.tenant, NEW.channel, NEW.weight);
  END IF;
  PERFORM count_job(NEW.tenant, NEW.id, (NEW.ended_at IS NULL)::integer, 1);
  RETURN NULL;
END
$$;
CREATE TRIGGER job_inserted AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION job_inserted();

CREATE FUNCTION job_rescheduled() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM requeue(NEW.tenant, NEW.channel, NEW.weight);
  IF OLD.weight <> NEW.weight THEN
    PERFORM requeue(OLD.tenant, OLD.channel, OLD.weight);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER job_rescheduled AFTER UPDATE OF wake_at, priority ON jobs FOR EACH ROW
  WHEN (OLD.wake_at IS DISTINCT FROM NEW.wake_at OR OLD.weight <> NEW.weight)
  EXECUTE FUNCTION job_rescheduled();

CREATE FUNCTION job_ended() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM count_job(NEW.tenant, NEW.id, CASE WHEN NEW.ended_at IS NULL THEN 1 ELSE -1 END, 0);
  RETURN NULL;
END
$$;
CREATE TRIGGER job_ended AFTER UPDATE OF ended_at ON jobs FOR EACH ROW
  WHEN ((OLD.ended_at IS NULL) <> (NEW.ended_at IS NULL)) EXECUTE FUNCTION job_ended();

CREATE FUNCTION job_deleted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF OLD.wake_at IS NOT NULL THEN
    PERFORM requeue(OLD.tenant, OLD.channel, OLD.weight);
  END IF;
  PERFORM count_job(OLD.tenant, OLD.id, -(OLD.ended_at IS NULL)::integer, -1);
  RETURN NULL;
END
$$;
CREATE TRIGGER job_deleted AFTER DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION job_deleted();

-- Takes a job that is due, for a time, and returns it. Nothing: it is not due any more, or another worker has it or its
-- channel.
CREATE FUNCTION take_job(of_job text, due bigint, by_owner text, length_ms bigint, turn bigint) RETURNS SETOF jobs
  LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  of_tenant text;
  of_channel text;
  moment bigint := now_ms();
  taken jobs%ROWTYPE;
BEGIN
  SELECT j.tenant, j.channel INTO of_tenant, of_channel FROM jobs j WHERE j.id = of_job AND j.wake_at <= due;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  -- One at a time takes a job of a channel. Who comes second looks for another one instead of waiting.
  PERFORM 1 FROM channel_fairness f WHERE f.tenant = of_tenant AND f.channel = of_channel FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    INSERT INTO channel_fairness (tenant, channel, at) VALUES (of_tenant, of_channel, 0) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      RETURN;
    END IF;
  END IF;
  -- A lease that has ended leaves the channel free. Its holder writes nothing more.
  UPDATE jobs j SET lease_owner = NULL
    WHERE j.tenant = of_tenant AND j.channel = of_channel AND j.lease_owner IS NOT NULL AND j.lease_until <= moment;
  -- A statement of its own: it sees what was committed before the channel was ours.
  UPDATE jobs j SET lease_owner = by_owner, lease_until = now_ms() + length_ms, fence = j.fence + 1
    WHERE j.id = of_job AND j.wake_at <= due AND NOT EXISTS (SELECT 1 FROM jobs other
      WHERE other.tenant = of_tenant AND other.channel = of_channel AND other.lease_owner IS NOT NULL)
    RETURNING j.* INTO taken;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  UPDATE channel_fairness f SET at = turn WHERE f.tenant = of_tenant AND f.channel = of_channel;
  UPDATE channel_queue q SET turn_at = turn WHERE q.tenant = of_tenant AND q.channel = of_channel;
  UPDATE tenant_queue t SET turn_at = turn WHERE t.tenant = of_tenant;
  RETURN NEXT taken;
END
$$;
