-- Line 6: one post on several channels.

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
