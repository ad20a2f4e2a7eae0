-- Line 7: which job is next is read from an index, however many are due; and what tenants may keep is counted.

-- What a priority counts for when the next job is chosen: few different values, so that each can be looked at.
ALTER TABLE jobs ADD COLUMN weight INTEGER GENERATED ALWAYS AS (coalesce(max(-100, min(100, priority)), 0)) VIRTUAL;
CREATE INDEX jobs_waiting ON jobs (tenant, channel, weight, wake_at, created_at) WHERE wake_at IS NOT NULL;

-- Of each channel and weight: when its first job is due, and when the channel last had its turn. Kept by triggers, so
-- that no write of a job can forget it.
CREATE TABLE channel_queue (
  tenant TEXT NOT NULL,
  channel TEXT NOT NULL,
  weight INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  turn_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, channel, weight)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_queue_order ON channel_queue (tenant, weight, max(due_at, turn_at));
CREATE INDEX channel_queue_due ON channel_queue (tenant, due_at);

-- The same of each tenant, and how many jobs it has. `due_at` is NULL while nothing waits for a time.
CREATE TABLE tenant_queue (
  tenant TEXT PRIMARY KEY,
  due_at INTEGER,
  turn_at INTEGER NOT NULL DEFAULT 0,
  open INTEGER NOT NULL DEFAULT 0,
  kept INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX tenant_queue_order ON tenant_queue (max(due_at, turn_at)) WHERE due_at IS NOT NULL;
CREATE INDEX tenant_queue_turns ON tenant_queue (turn_at);

INSERT INTO channel_queue
  SELECT j.tenant, j.channel, j.weight, min(j.wake_at), coalesce(f.at, 0) FROM jobs j
  LEFT JOIN channel_fairness f ON f.tenant = j.tenant AND f.channel = j.channel
  WHERE j.wake_at IS NOT NULL GROUP BY 1, 2, 3;
INSERT INTO tenant_queue
  SELECT j.tenant, (SELECT min(q.due_at) FROM channel_queue q WHERE q.tenant = j.tenant),
    coalesce((SELECT max(f.at) FROM channel_fairness f WHERE f.tenant = j.tenant), 0),
    sum(j.ended_at IS NULL), count(*) FROM jobs j GROUP BY j.tenant;

CREATE TRIGGER job_inserted AFTER INSERT ON jobs BEGIN
  INSERT INTO tenant_queue (tenant, open, kept) VALUES (NEW.tenant, NEW.ended_at IS NULL, 1)
    ON CONFLICT (tenant) DO UPDATE SET open = open + excluded.open, kept = kept + 1;
  INSERT INTO channel_queue SELECT NEW.tenant, NEW.channel, NEW.weight, NEW.wake_at,
    coalesce((SELECT at FROM channel_fairness WHERE tenant = NEW.tenant AND channel = NEW.channel), 0)
    WHERE NEW.wake_at IS NOT NULL AND NEW.tenant IS NOT NULL AND NEW.channel IS NOT NULL
    ON CONFLICT (tenant, channel, weight) DO UPDATE SET due_at = min(due_at, excluded.due_at);
END;
CREATE TRIGGER job_ended AFTER UPDATE OF ended_at ON jobs WHEN (OLD.ended_at IS NULL) <> (NEW.ended_at IS NULL) BEGIN
  UPDATE tenant_queue SET open = open + iif(NEW.ended_at IS NULL, 1, -1) WHERE tenant = NEW.tenant;
END;
CREATE TRIGGER job_deleted AFTER DELETE ON jobs BEGIN
  UPDATE tenant_queue SET open = open - (OLD.ended_at IS NULL), kept = kept - 1 WHERE tenant = OLD.tenant;
END;
CREATE TRIGGER job_rescheduled AFTER UPDATE OF wake_at, priority ON jobs
  WHEN OLD.wake_at IS NOT NEW.wake_at OR OLD.weight <> NEW.weight BEGIN
  DELETE FROM channel_queue WHERE tenant = OLD.tenant AND channel = OLD.channel
    AND weight = OLD.weight
    AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.tenant = OLD.tenant AND j.channel = OLD.channel
      AND j.weight = OLD.weight AND j.wake_at IS NOT NULL);
  UPDATE channel_queue SET due_at = (SELECT min(j.wake_at) FROM jobs j
      WHERE j.tenant = OLD.tenant AND j.channel = OLD.channel
      AND j.weight = OLD.weight AND j.wake_at IS NOT NULL)
    WHERE tenant = OLD.tenant AND channel = OLD.channel AND weight = OLD.weight;
  INSERT INTO channel_queue SELECT NEW.tenant, NEW.channel, NEW.weight, NEW.wake_at,
    coalesce((SELECT at FROM channel_fairness WHERE tenant = NEW.tenant AND channel = NEW.channel), 0)
    WHERE NEW.wake_at IS NOT NULL AND NEW.tenant IS NOT NULL AND NEW.channel IS NOT NULL
    ON CONFLICT (tenant, channel, weight) DO UPDATE SET due_at = min(due_at, excluded.due_at);
END;
CREATE TRIGGER waiting_job_deleted AFTER DELETE ON jobs WHEN OLD.wake_at IS NOT NULL BEGIN
  DELETE FROM channel_queue WHERE tenant = OLD.tenant AND channel = OLD.channel
    AND weight = OLD.weight
    AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.tenant = OLD.tenant AND j.channel = OLD.channel
      AND j.weight = OLD.weight AND j.wake_at IS NOT NULL);
  UPDATE channel_queue SET due_at = (SELECT min(j.wake_at) FROM jobs j
      WHERE j.tenant = OLD.tenant AND j.channel = OLD.channel
      AND j.weight = OLD.weight AND j.wake_at IS NOT NULL)
    WHERE tenant = OLD.tenant AND channel = OLD.channel AND weight = OLD.weight;
END;

CREATE TRIGGER channel_queued AFTER INSERT ON channel_queue BEGIN
  UPDATE tenant_queue SET due_at = min(coalesce(due_at, NEW.due_at), NEW.due_at) WHERE tenant = NEW.tenant;
END;
CREATE TRIGGER channel_requeued AFTER UPDATE OF due_at ON channel_queue WHEN OLD.due_at <> NEW.due_at BEGIN
  UPDATE tenant_queue SET due_at = (SELECT min(due_at) FROM channel_queue WHERE tenant = NEW.tenant)
    WHERE tenant = NEW.tenant;
END;
CREATE TRIGGER channel_unqueued AFTER DELETE ON channel_queue BEGIN
  UPDATE tenant_queue SET due_at = (SELECT min(due_at) FROM channel_queue WHERE tenant = OLD.tenant)
    WHERE tenant = OLD.tenant;
END;
CREATE TRIGGER channel_had_its_turn AFTER INSERT ON channel_fairness BEGIN
  UPDATE channel_queue SET turn_at = coalesce(NEW.at, 0) WHERE tenant = NEW.tenant AND channel = NEW.channel;
  UPDATE tenant_queue SET turn_at = coalesce(NEW.at, 0) WHERE tenant = NEW.tenant;
END;
CREATE TRIGGER channel_had_another_turn AFTER UPDATE OF at ON channel_fairness BEGIN
  UPDATE channel_queue SET turn_at = coalesce(NEW.at, 0) WHERE tenant = NEW.tenant AND channel = NEW.channel;
  UPDATE tenant_queue SET turn_at = coalesce(NEW.at, 0) WHERE tenant = NEW.tenant;
END;

-- What a tenant keeps is counted, and lists are read by pages, without a look at everything.
CREATE INDEX sessions_by_tenant ON sessions (tenant);
CREATE INDEX sessions_by_end ON sessions (expires_at);
CREATE INDEX uploads_size ON uploads (tenant, size);
CREATE INDEX jobs_open ON jobs (tenant, channel) WHERE ended_at IS NULL;
CREATE INDEX accounts_by_channel ON accounts (tenant, channel);
CREATE INDEX events_by_age ON events (received_at);
CREATE INDEX events_of_app ON events (app, received_at);
-- Facts are JSON, unless somebody damaged them.
CREATE INDEX documents_by_tenant
  ON documents (kind, iif(json_valid(facts), json_extract(facts, '$.tenant'), NULL), id);
