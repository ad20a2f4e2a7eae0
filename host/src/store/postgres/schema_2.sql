-- Schema 2: what happened, for those who ask for it, and the addresses to which it is sent. It only adds: a program that
-- knows schema 1 may be running meanwhile.

-- Events, written by triggers in the transaction of what they tell, so that no write can forget one.
--
-- `number` is the place in the tenant's order, from 1 on and without gaps. Transactions commit in another order than the
-- one in which they write, so a number that the writer took could appear after a higher one was read, and a reader with a
-- cursor would pass it by. So the writer leaves it NULL, and what has been committed is numbered by `number_events` when
-- somebody asks: under a lock of the tenant, which no writer ever waits for. The order of `seq` is that of the writes of
-- one row.
CREATE TABLE outbox (
  seq bigint GENERATED ALWAYS AS IDENTITY,
  id text COLLATE "C" NOT NULL DEFAULT 'evt_' || replace(gen_random_uuid()::text, '-', ''),
  tenant text COLLATE "C" NOT NULL,
  number bigint,
  kind text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  app text COLLATE "C",
  channel text COLLATE "C",
  display_name text COLLATE "C",
  health text COLLATE "C",
  detail text COLLATE "C",
  job text COLLATE "C",
  status text COLLATE "C",
  post_id text COLLATE "C",
  url text COLLATE "C",
  idempotency_key text COLLATE "C",
  error text COLLATE "C",
  provider text COLLATE "C",
  version text COLLATE "C",
  digest text COLLATE "C",
  PRIMARY KEY (seq)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX outbox_by_number ON outbox (tenant, number);
CREATE INDEX outbox_fresh ON outbox (tenant, seq) WHERE number IS NULL;
CREATE INDEX outbox_by_age ON outbox (at);

-- The number of each tenant's last event. It outlives the events.
CREATE TABLE outbox_heads (tenant text COLLATE "C" PRIMARY KEY, number bigint NOT NULL) WITH (fillfactor = 50);

-- Addresses that get a tenant's events. `target` is ciphertext: the address may hold a secret too.
CREATE TABLE endpoints (
  id text COLLATE "C" PRIMARY KEY,
  tenant text COLLATE "C" NOT NULL,
  target bytea NOT NULL,
  description text COLLATE "C" NOT NULL,
  -- Kinds of events, as JSON. NULL: all.
  kinds text COLLATE "C",
  -- Events up to this number have their deliveries.
  position bigint NOT NULL,
  -- When something is to be sent. NULL: nothing is.
  due_at bigint,
  -- After failures nothing is sent before this instant.
  resume_at bigint NOT NULL DEFAULT 0,
  -- Failures in a row, and when the first of them was.
  failures bigint NOT NULL DEFAULT 0,
  failing_since bigint,
  disabled_at bigint,
  disabled_why text COLLATE "C",
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  lease_owner text COLLATE "C",
  lease_until bigint NOT NULL DEFAULT 0,
  fence bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE INDEX endpoints_by_tenant ON endpoints (tenant, id);
CREATE INDEX endpoints_due ON endpoints (due_at) WHERE due_at IS NOT NULL AND disabled_at IS NULL;

-- An event on its way to an address. `due_at` is NULL once it arrived or was given up.
CREATE TABLE deliveries (
  endpoint text COLLATE "C" NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
  number bigint NOT NULL,
  event text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  at bigint NOT NULL,
  attempts bigint NOT NULL DEFAULT 0,
  due_at bigint,
  delivered_at bigint,
  PRIMARY KEY (endpoint, number)
) WITH (fillfactor = 80);
CREATE INDEX deliveries_due ON deliveries (endpoint, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_age ON deliveries (at);

CREATE TABLE delivery_attempts (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  endpoint text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  at bigint NOT NULL,
  took_ms bigint NOT NULL,
  -- NULL: there was no answer.
  status bigint,
  -- NULL: it was accepted.
  failure text COLLATE "C",
  FOREIGN KEY (endpoint, number) REFERENCES deliveries (endpoint, number) ON DELETE CASCADE
);
CREATE INDEX delivery_attempts_by_delivery ON delivery_attempts (endpoint, number);

-- Numbers a tenant's committed events that have no number yet, and makes its addresses due. Returns how many there were.
CREATE FUNCTION number_events(of_tenant text) RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  head bigint;
  added bigint;
BEGIN
  INSERT INTO outbox_heads (tenant, number) VALUES (of_tenant, 0) ON CONFLICT (tenant) DO NOTHING;
  SELECT h.number INTO head FROM outbox_heads h WHERE h.tenant = of_tenant FOR NO KEY UPDATE;
  -- A statement of its own: it sees what was committed before the head was ours.
  UPDATE outbox o SET number = head + fresh.place
    FROM (SELECT f.seq, row_number() OVER (ORDER BY f.seq) AS place FROM outbox f
      WHERE f.tenant = of_tenant AND f.number IS NULL) fresh
    WHERE o.seq = fresh.seq;
  GET DIAGNOSTICS added = ROW_COUNT;
  IF added > 0 THEN
    UPDATE outbox_heads h SET number = head + added WHERE h.tenant = of_tenant;
    UPDATE endpoints e SET due_at = least(e.due_at, (SELECT min(o.at) FROM outbox o
      WHERE o.tenant = of_tenant AND o.number > head)) WHERE e.tenant = of_tenant;
  END IF;
  RETURN added;
END
$$;

CREATE FUNCTION job_told() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF OLD.status <> NEW.status AND NEW.status IN ('paused', 'published', 'failed', 'unknown', 'cancelled') THEN
    INSERT INTO outbox (tenant, kind, at, app, channel, job, status, post_id, url, idempotency_key, error)
      VALUES (NEW.tenant, 'job.' || NEW.status, NEW.updated_at, NEW.app, NEW.channel, NEW.id, NEW.status, NEW.post_id,
        NEW.url, NEW.idempotency_key, NEW.error);
  END IF;
  IF NEW.url IS NOT NULL AND OLD.url IS DISTINCT FROM NEW.url THEN
    INSERT INTO outbox (tenant, kind, at, app, channel, job, status, post_id, url, idempotency_key)
      VALUES (NEW.tenant, 'job.link', NEW.updated_at, NEW.app, NEW.channel, NEW.id, NEW.status, NEW.post_id, NEW.url,
        NEW.idempotency_key);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER job_told AFTER UPDATE OF status, url ON jobs FOR EACH ROW
  WHEN (OLD.status <> NEW.status OR OLD.url IS DISTINCT FROM NEW.url) EXECUTE FUNCTION job_told();

CREATE FUNCTION channel_told() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  kinds text[] := '{}';
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO outbox (tenant, kind, at, app, channel, display_name)
      VALUES (OLD.tenant, 'channel.disconnected', OLD.updated_at, OLD.app, OLD.channel, OLD.display_name);
    RETURN NULL;
  END IF;
  -- Connected, connected again, or working again by itself.
  IF TG_OP = 'INSERT' OR OLD.connected_at <> NEW.connected_at OR NEW.health = 'active' THEN
    kinds := kinds || 'channel.connected'::text;
  END IF;
  IF NEW.health = 'limited' THEN
    kinds := kinds || 'channel.limited'::text;
  ELSIF NEW.health = 'needs_reconnect' THEN
    kinds := kinds || 'channel.needs-reconnect'::text;
  END IF;
  INSERT INTO outbox (tenant, kind, at, app, channel, display_name, health, detail)
    SELECT NEW.tenant, k.kind, NEW.updated_at, NEW.app, NEW.channel, NEW.display_name, NEW.health, NEW.health_detail
    FROM unnest(kinds) WITH ORDINALITY k (kind, place) ORDER BY k.place;
  RETURN NULL;
END
$$;
CREATE TRIGGER channel_connected_told AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION channel_told();
CREATE TRIGGER channel_told AFTER UPDATE OF health, connected_at ON accounts FOR EACH ROW
  WHEN (OLD.health <> NEW.health OR OLD.connected_at <> NEW.connected_at) EXECUTE FUNCTION channel_told();
CREATE TRIGGER channel_disconnected_told AFTER DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION channel_told();

-- Of an app of all tenants each one learns that has a channel in it.
CREATE FUNCTION provider_told() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO outbox (tenant, kind, at, app, provider, version, digest)
    SELECT t.tenant, 'provider.replaced', NEW.updated_at, NEW.id, NEW.provider,
      (SELECT c.version FROM components c WHERE c.digest = NEW.digest), NEW.digest
    FROM (SELECT NEW.tenant AS tenant WHERE NEW.tenant IS NOT NULL
      UNION SELECT a.tenant FROM accounts a WHERE NEW.tenant IS NULL AND a.app = NEW.id) t;
  RETURN NULL;
END
$$;
CREATE TRIGGER provider_told AFTER UPDATE OF digest ON apps FOR EACH ROW
  WHEN (OLD.digest <> NEW.digest) EXECUTE FUNCTION provider_told();
