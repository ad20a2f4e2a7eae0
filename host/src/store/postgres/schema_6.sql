-- Schema 6: what a job takes several statements for, in fewer calls. It only changes functions: a program that knows schema 3
-- may be running beside.

-- The number of a lock: the same for the same words, here and in the program, and never negative. NULL for a missing part.
CREATE FUNCTION lock_number(what text, part text, other text) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT ('x' || lpad(left(encode(sha256(convert_to('social-channel ' || what, 'UTF8') || '\x00'::bytea
    || convert_to(part, 'UTF8') || '\x00'::bytea || convert_to(other, 'UTF8')), 'hex'), 15), 16, '0'))::bit(64)::bigint
$$;

-- As before, and with the locks under which it meets a webhook, so that a step is always one call.
-- Stores the result of a call of a job whose lease has the fence `of_fence`, with all that belongs to it. Returns what
-- changed meanwhile of the job, its account and its app. Nothing: the lease is lost, and nothing was written.
CREATE OR REPLACE FUNCTION store_step(
  of_job text, of_fence bigint, moment bigint, of_digest text, send_back boolean, new_state bytea, new_once boolean,
  new_interrupted boolean, new_once_begun boolean, new_quotas text, new_asked_at bigint, new_status text,
  new_phase text, new_bytes_sent bigint, new_bytes_total bigint, new_wake_at bigint, new_attempts bigint,
  new_post_id text, new_url text, new_error text, has_ended boolean, cancel_answered boolean, gives_back boolean,
  new_reference text, most_references bigint, event_taken text, history jsonb)
  RETURNS TABLE (id text, cancel_requested boolean, credentials_revision bigint, app_revision bigint)
  LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  held jobs%ROWTYPE;
  meeting bigint;
  other bigint;
BEGIN
  IF new_reference IS NOT NULL THEN
    -- A webhook that names this reference, or this account, comes before or after all of this: what follows sees what was
    -- committed before the locks were ours. The lower number comes first, everywhere.
    SELECT lock_number('reference', j.app, new_reference), lock_number('events of account', j.app, a.account)
      INTO meeting, other FROM jobs j LEFT JOIN accounts a ON a.tenant = j.tenant AND a.channel = j.channel
      WHERE j.id = of_job;
    PERFORM pg_advisory_xact_lock(least(meeting, other));
    PERFORM pg_advisory_xact_lock(greatest(meeting, other));
  END IF;
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

-- It returns one job at most. The plan of a statement that calls it for each of a few found ones depends on that.
ALTER FUNCTION take_job(text, bigint, text, bigint, bigint) ROWS 1;
