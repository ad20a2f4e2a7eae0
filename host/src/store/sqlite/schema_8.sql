-- Line 8: what happened, for those who ask for it, and the addresses to which it is sent.

-- Events, written by triggers in the transaction of what they tell, so that no write can forget one. `number` is the
-- place in the tenant's order, from 1 on and without gaps; whoever writes the event leaves it to a trigger.
CREATE TABLE outbox (
  id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  number INTEGER,
  kind TEXT NOT NULL,
  at INTEGER NOT NULL,
  app TEXT,
  channel TEXT,
  display_name TEXT,
  health TEXT,
  detail TEXT,
  job TEXT,
  status TEXT,
  post_id TEXT,
  url TEXT,
  idempotency_key TEXT,
  error TEXT,
  provider TEXT,
  version TEXT,
  digest TEXT
) STRICT;
CREATE INDEX outbox_by_number ON outbox (tenant, number);
CREATE INDEX outbox_by_age ON outbox (at);

-- The number of each tenant's last event. It outlives the events.
CREATE TABLE outbox_heads (tenant TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Addresses that get a tenant's events. `target` is ciphertext: the address may hold a secret too.
CREATE TABLE endpoints (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  target BLOB NOT NULL,
  description TEXT NOT NULL,
  -- Kinds of events, as JSON. NULL: all.
  kinds TEXT,
  -- Events up to this number have their deliveries.
  position INTEGER NOT NULL,
  -- When something is to be sent. NULL: nothing is.
  due_at INTEGER,
  -- After failures nothing is sent before this instant.
  resume_at INTEGER NOT NULL DEFAULT 0,
  -- Failures in a row, and when the first of them was.
  failures INTEGER NOT NULL DEFAULT 0,
  failing_since INTEGER,
  disabled_at INTEGER,
  disabled_why TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  lease_owner TEXT,
  lease_until INTEGER NOT NULL DEFAULT 0,
  fence INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX endpoints_by_tenant ON endpoints (tenant, id);
CREATE INDEX endpoints_due ON endpoints (due_at) WHERE due_at IS NOT NULL AND disabled_at IS NULL;

-- An event on its way to an address. `due_at` is NULL once it arrived or was given up.
CREATE TABLE deliveries (
  endpoint TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  event TEXT NOT NULL,
  kind TEXT NOT NULL,
  at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER,
  delivered_at INTEGER,
  PRIMARY KEY (endpoint, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (endpoint, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_age ON deliveries (at);

CREATE TABLE delivery_attempts (
  endpoint TEXT NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  took_ms INTEGER NOT NULL,
  -- NULL: there was no answer.
  status INTEGER,
  -- NULL: it was accepted.
  failure TEXT,
  FOREIGN KEY (endpoint, number) REFERENCES deliveries (endpoint, number) ON DELETE CASCADE
) STRICT;
CREATE INDEX delivery_attempts_by_delivery ON delivery_attempts (endpoint, number);

CREATE TRIGGER event_numbered AFTER INSERT ON outbox WHEN NEW.number IS NULL BEGIN
  INSERT INTO outbox_heads (tenant, number) VALUES (NEW.tenant, 1)
    ON CONFLICT (tenant) DO UPDATE SET number = number + 1;
  UPDATE outbox SET number = (SELECT number FROM outbox_heads WHERE tenant = NEW.tenant) WHERE rowid = NEW.rowid;
  UPDATE endpoints SET due_at = min(coalesce(due_at, NEW.at), NEW.at) WHERE tenant = NEW.tenant;
END;

CREATE TRIGGER job_told AFTER UPDATE OF status, url ON jobs
  WHEN NEW.tenant IS NOT NULL AND (OLD.status IS NOT NEW.status OR OLD.url IS NOT NEW.url) BEGIN
  INSERT INTO outbox (id, tenant, kind, at, app, channel, job, status, post_id, url, idempotency_key, error)
    SELECT 'evt_' || lower(hex(randomblob(16))), NEW.tenant, 'job.' || NEW.status, coalesce(NEW.updated_at, 0), NEW.app,
      NEW.channel, NEW.id, NEW.status, NEW.post_id, NEW.url, NEW.idempotency_key, NEW.error
    WHERE OLD.status IS NOT NEW.status
      AND NEW.status IN ('paused', 'published', 'failed', 'unknown', 'cancelled');
  INSERT INTO outbox (id, tenant, kind, at, app, channel, job, status, post_id, url, idempotency_key)
    SELECT 'evt_' || lower(hex(randomblob(16))), NEW.tenant, 'job.link', coalesce(NEW.updated_at, 0), NEW.app,
      NEW.channel, NEW.id, NEW.status, NEW.post_id, NEW.url, NEW.idempotency_key
    WHERE NEW.url IS NOT NULL AND OLD.url IS NOT NEW.url;
END;

CREATE TRIGGER channel_connected_told AFTER INSERT ON accounts WHEN NEW.tenant IS NOT NULL BEGIN
  INSERT INTO outbox (id, tenant, kind, at, app, channel, display_name, health, detail)
    VALUES ('evt_' || lower(hex(randomblob(16))), NEW.tenant, 'channel.connected', coalesce(NEW.updated_at, 0), NEW.app,
      NEW.channel, NEW.display_name, NEW.health, NEW.health_detail);
  INSERT INTO outbox (id, tenant, kind, at, app, channel, display_name, health, detail)
    SELECT 'evt_' || lower(hex(randomblob(16))), NEW.tenant, 'channel.limited', coalesce(NEW.updated_at, 0), NEW.app,
      NEW.channel, NEW.display_name, NEW.health, NEW.health_detail
    WHERE NEW.health = 'limited';
END;
CREATE TRIGGER channel_told AFTER UPDATE OF health, connected_at ON accounts
  WHEN NEW.tenant IS NOT NULL AND (OLD.health IS NOT NEW.health OR OLD.connected_at IS NOT NEW.connected_at) BEGIN
  -- Connected again, or working again by itself.
  INSERT INTO outbox (id, tenant, kind, at, app, channel, display_name, health, detail)
    SELECT 'evt_' || lower(hex(randomblob(16))), NEW.tenant, 'channel.connected', coalesce(NEW.updated_at, 0), NEW.app,
      NEW.channel, NEW.display_name, NEW.health, NEW.health_detail
    WHERE OLD.connected_at IS NOT NEW.connected_at OR NEW.health = 'active';
  INSERT INTO outbox (id, tenant, kind, at, app, channel, display_name, health, detail)
    SELECT 'evt_' || lower(hex(randomblob(16))), NEW.tenant,
      iif(NEW.health = 'limited', 'channel.limited', 'channel.needs-reconnect'), coalesce(NEW.updated_at, 0), NEW.app,
      NEW.channel, NEW.display_name, NEW.health, NEW.health_detail
    WHERE NEW.health = 'limited' OR NEW.health = 'needs_reconnect';
END;
CREATE TRIGGER channel_disconnected_told AFTER DELETE ON accounts WHEN OLD.tenant IS NOT NULL BEGIN
  INSERT INTO outbox (id, tenant, kind, at, app, channel, display_name)
    VALUES ('evt_' || lower(hex(randomblob(16))), OLD.tenant, 'channel.disconnected', coalesce(OLD.updated_at, 0),
      OLD.app, OLD.channel, OLD.display_name);
END;

-- Of an app of all tenants each one learns that has a channel in it.
CREATE TRIGGER provider_replaced_told AFTER UPDATE OF digest ON apps WHEN OLD.digest IS NOT NEW.digest BEGIN
  INSERT INTO outbox (id, tenant, kind, at, app, provider, version, digest)
    SELECT 'evt_' || lower(hex(randomblob(16))), t.tenant, 'provider.replaced', coalesce(NEW.updated_at, 0), NEW.id,
      NEW.provider, (SELECT c.version FROM components c WHERE c.digest = NEW.digest), NEW.digest
    FROM (SELECT NEW.tenant AS tenant WHERE NEW.tenant IS NOT NULL
      UNION SELECT tenant FROM accounts WHERE NEW.tenant IS NULL AND app = NEW.id AND tenant IS NOT NULL) t;
END;
