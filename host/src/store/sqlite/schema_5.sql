-- Line 5: an account that is connected again after a disconnect is the same channel, with its jobs and numbers.

-- What is left of a disconnected channel: nothing but who it was. Its counters go on, so that an answer which was under
-- way for the old connection counts for nothing in the new one.
CREATE TABLE former_channels (
  tenant TEXT NOT NULL,
  app TEXT NOT NULL,
  account TEXT NOT NULL,
  channel TEXT NOT NULL,
  credentials_revision INTEGER NOT NULL,
  fence INTEGER NOT NULL,
  PRIMARY KEY (tenant, app, account)
) STRICT, WITHOUT ROWID;

-- Numbers outlive the connection. They end with their age, or with the app.
CREATE TABLE kept_samples (
  tenant TEXT NOT NULL,
  channel TEXT NOT NULL,
  at INTEGER NOT NULL,
  stats TEXT NOT NULL,
  PRIMARY KEY (tenant, channel, at)
) STRICT, WITHOUT ROWID;
INSERT INTO kept_samples SELECT tenant, channel, at, stats FROM stats_samples;
DROP TABLE stats_samples;
ALTER TABLE kept_samples RENAME TO stats_samples;

-- Of the attempts at one post only one may come to something.
CREATE INDEX jobs_by_retry ON jobs (tenant, retry_of) WHERE retry_of IS NOT NULL;

-- When a channel's name and picture were last read.
ALTER TABLE accounts ADD COLUMN looked_at INTEGER NOT NULL DEFAULT 0;
