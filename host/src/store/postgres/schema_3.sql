-- Failing over. A standby that its primary did not wait for lacks the last commits: a job may have gone further on the
-- server that is gone than this one knows. Each promotion begins a new timeline, so it is noticed by the first connection
-- to the new primary, before anybody takes a job there. Returns the number of jobs that may have gone further.
--
-- Such a job counts as sent. Where this server knows of no request that may have posted, what it knows is of no use, and
-- the job ends as unknown; where it knows of one, the provider is told that its call was interrupted, and looks. A worker
-- that holds a job through all of this knows the truth, and writes it over.
CREATE FUNCTION settle() RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  here text;
  known text;
  behind bigint := 0;
BEGIN
  IF pg_is_in_recovery() THEN
    RAISE EXCEPTION 'this server is a standby' USING ERRCODE = 'cannot_connect_now';
  END IF;
  BEGIN
    here := left(pg_walfile_name(pg_current_wal_lsn()), 8);
  EXCEPTION WHEN OTHERS THEN
    -- Services that copy their storage instead of a log have no such function, and lose no commit.
    RETURN 0;
  END;
  here := here || CASE
    WHEN current_setting('synchronous_standby_names') <> ''
      AND current_setting('synchronous_commit') IN ('on', 'remote_apply', 'remote_write')
    THEN ' waits' ELSE ' lags' END;
  SELECT convert_from(value, 'UTF8') INTO known FROM meta WHERE key = 'timeline';
  IF known = here THEN
    RETURN 0;
  END IF;
  INSERT INTO meta (key, value) VALUES ('timeline', convert_to(here, 'UTF8')) ON CONFLICT (key) DO NOTHING;
  SELECT convert_from(value, 'UTF8') INTO known FROM meta WHERE key = 'timeline' FOR UPDATE;
  IF left(known, 8) <> left(here, 8) AND right(known, 4) = 'lags' THEN
    UPDATE jobs SET once_begun = true, sent_at = coalesce(sent_at, now_ms()), interrupted = once_begun,
      state = CASE WHEN once_begun THEN state END, moved_from = CASE WHEN once_begun THEN moved_from END
      WHERE status = 'active' AND (wake_at <= now_ms() OR lease_owner IS NOT NULL);
    GET DIAGNOSTICS behind = ROW_COUNT;
  END IF;
  UPDATE meta SET value = convert_to(here, 'UTF8') WHERE key = 'timeline';
  RETURN behind;
END $$;
