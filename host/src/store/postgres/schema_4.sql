-- Schema 4: what a job's step and a provider's value take several statements for, as one call each: a round trip costs as
-- much as the statement. It only adds functions: a program that knows schema 3 may be running beside.

-- Stores the result of a call of a job whose lease has the fence `of_fence`, with all that belongs to it. Returns what
-- changed meanwhile of the job, its account and its app. Nothing: the lease is lost, and nothing was written.
CREATE FUNCTION store_step(
  of_job text, of_fence bigint, moment bigint, of_digest text, send_back boolean, new_state bytea, new_once boolean,
  new_interrupted boolean, new_once_begun boolean, new_quotas text, new_asked_at bigint, new_status text,
  new_phase text, new_bytes_sent bigint, new_bytes_total bigint, new_wake_at bigint, new_attempts bigint,
  new_post_id text, new_url text, new_error text, has_ended boolean, cancel_answered boolean, gives_back boolean,
  new_reference text, most_references bigint, event_taken text, history jsonb)
  RETURNS TABLE (id text, cancel_requested boolean, credentials_revision bigint, app_revision bigint)
  LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  held jobs%ROWTYPE;
BEGIN
  -- The component that has written the state keeps the job. A state written while the job was being moved belongs to the
  -- called component.
  UPDATE jobs j SET
    digest = CASE WHEN send_back AND j.digest = of_digest THEN coalesce(j.moved_from, j.digest) ELSE j.digest END,
    moved_from = CASE WHEN (send_back OR new_state IS NOT NULL) AND j.digest = of_digest THEN NULL
      WHEN new_state IS NOT NULL AND j.digest <> of_digest THEN of_digest ELSE j.moved_from END,
    state = coalesce(new_state, j.state), once = new_once, interrupted = new_interrupted, once_begun = new_once_begun,
    sent_at = CASE WHEN new_once_begun THEN coalesce(j.sent_at, moment) END,
    quotas = coalesce(new_quotas, j.quotas), asked_at = coalesce(new_asked_at, j.asked_at), forced = false,
    status = new_status, phase = new_phase, bytes_sent = new_bytes_sent, bytes_total = new_bytes_total,
    wake_at = new_wake_at, attempts = new_attempts, post_id = coalesce(new_post_id, j.post_id),
    url = coalesce(new_url, j.url), error = new_error, updated_at = moment,
    ended_at = CASE WHEN has_ended THEN coalesce(j.ended_at, moment) END,
    cancel_requested = j.cancel_requested AND NOT cancel_answered,
    lease_owner = CASE WHEN gives_back THEN NULL ELSE j.lease_owner END
    WHERE j.id = of_job AND j.fence = of_fence AND j.lease_owner IS NOT NULL RETURNING j.* INTO held;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  IF new_reference IS NOT NULL THEN
    INSERT INTO job_references (app, reference, job) SELECT held.app, new_reference, of_job
      WHERE (SELECT count(*) FROM job_references r WHERE r.job = of_job) < most_references ON CONFLICT DO NOTHING;
    -- A webhook may have arrived before the response with this reference. And an event that was matched to this job
    -- without a reference may not belong to it.
    UPDATE events e SET job = CASE WHEN e.reference = new_reference THEN of_job END
      WHERE e.app = held.app AND NOT e.taken AND (e.job = of_job AND e.reference NOT IN
      (SELECT r.reference FROM job_references r WHERE r.job = of_job)
      OR e.job IS NULL AND e.reference = new_reference
      AND (e.account IS NULL OR e.account = (SELECT a.account FROM accounts a
        WHERE a.channel = held.channel AND a.tenant = held.tenant)));
  END IF;
  IF event_taken IS NOT NULL THEN
    UPDATE events e SET taken = true, job = coalesce(e.job, of_job) WHERE e.app = held.app AND e.id = event_taken;
  END IF;
  IF gives_back THEN
    -- A statement of its own: it sees an event that was committed before the job was ours to write.
    UPDATE jobs j SET wake_at = least(j.wake_at, moment) WHERE j.id = of_job
      AND j.status IN ('active', 'published', 'unknown')
      AND EXISTS (SELECT 1 FROM events e WHERE e.job = of_job AND NOT e.taken);
  END IF;
  IF history IS NOT NULL THEN
    INSERT INTO job_history (job, at_ms, call, phase, result, message, code, trace_id, made_by)
      VALUES (of_job, (history->>'at_ms')::bigint, history->>'call', history->>'phase', history->>'result',
        history->>'message', history->>'code', history->>'trace_id', history->>'by');
  END IF;
  RETURN QUERY SELECT held.id, held.cancel_requested,
    (SELECT a.credentials_revision FROM accounts a WHERE a.tenant = held.tenant AND a.channel = held.channel),
    (SELECT p.revision FROM accounts a JOIN apps p ON p.id = a.app
      WHERE a.tenant = held.tenant AND a.channel = held.channel);
END
$$;

-- Writes a value of an app's provider, without waiting for the disk. Returns its version, or 0: it has not the version
-- `if_version` (0: there is none yet; NULL: any), or -1: there are as many or as much as there may be.
CREATE FUNCTION set_value(
  of_app text, of_key bytea, new_value bytea, if_version bigint, new_expires_at bigint, moment bigint,
  most_values bigint, most_bytes bigint)
  RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  current bigint;
  written bigint;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  -- Locked, so that the version that is compared is the one that is replaced.
  SELECT v.version INTO current FROM provider_values v
    WHERE v.app = of_app AND v.key = of_key AND (v.expires_at IS NULL OR v.expires_at > moment) FOR UPDATE;
  IF if_version <> coalesce(current, 0) THEN
    RETURN 0;
  END IF;
  -- What has ended goes now and then, because that looks at all values of the app; and before anything is refused.
  IF current IS NULL AND random() < 0.05 THEN
    DELETE FROM provider_values v WHERE v.app = of_app AND v.expires_at <= moment;
  END IF;
  FOR look IN 1..2 LOOP
    -- Small values are bounded by their number alone, so counters and ledgers pay nothing for a sum. It comes from an
    -- index alone.
    EXIT WHEN NOT (
      current IS NULL AND (SELECT count(*) FROM provider_values v WHERE v.app = of_app) >= most_values
      OR length(new_value) > most_bytes / most_values AND length(new_value)
        + (SELECT coalesce(sum(length(v.value)), 0) FROM provider_values v WHERE v.app = of_app)
        - coalesce((SELECT length(v.value) FROM provider_values v WHERE v.app = of_app AND v.key = of_key), 0)
        > most_bytes);
    IF look = 2 THEN
      RETURN -1;
    END IF;
    DELETE FROM provider_values v WHERE v.app = of_app AND v.expires_at <= moment;
  END LOOP;
  -- The number is drawn once the row is ours, so that it is greater than the one that it replaces.
  INSERT INTO provider_values AS v (app, key, value, version, expires_at)
    VALUES (of_app, of_key, new_value, nextval('provider_values_version'), new_expires_at)
    ON CONFLICT (app, key) DO UPDATE SET value = excluded.value, version = nextval('provider_values_version'),
      expires_at = excluded.expires_at
    WHERE if_version IS NULL OR v.version = if_version OR v.expires_at <= moment RETURNING version INTO written;
  -- Nothing: another call came first.
  RETURN coalesce(written, 0);
END
$$;

-- As before, in a language whose plans are kept: a function in SQL is planned anew for each job that ends.
CREATE OR REPLACE FUNCTION count_job(of_tenant text, job text, opened integer, added integer) RETURNS void
  LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tenant_counts AS c (tenant, part, open, kept) VALUES (of_tenant, part_of(job), opened, added)
    ON CONFLICT (tenant, part) DO UPDATE SET open = c.open + excluded.open, kept = c.kept + excluded.kept;
END
$$;
