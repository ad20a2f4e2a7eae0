-- Line 6: one post on several channels, the numbers of posts over time, and who did it.

-- What a front door has of a post that is not published yet, sealed: it may name media by secret addresses.
CREATE TABLE drafts (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  content BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- A held upload outlives the jobs that published it, because more of them come.
ALTER TABLE uploads ADD COLUMN held INTEGER NOT NULL DEFAULT 0;

-- Numbers of posts, kept and removed as those of their channel.
CREATE TABLE post_samples (
  tenant TEXT NOT NULL,
  channel TEXT NOT NULL,
  post TEXT NOT NULL,
  at INTEGER NOT NULL,
  stats TEXT NOT NULL,
  PRIMARY KEY (tenant, channel, post, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX post_samples_by_age ON post_samples (at);

-- When a channel's newest posts were last asked for.
ALTER TABLE accounts ADD COLUMN posts_sampled_at INTEGER NOT NULL DEFAULT 0;

-- NULL: not known, as for everything before this line and for callers without a name.
ALTER TABLE jobs ADD COLUMN submitted_by TEXT;
ALTER TABLE job_history ADD COLUMN made_by TEXT;
ALTER TABLE accounts ADD COLUMN connected_by TEXT;
