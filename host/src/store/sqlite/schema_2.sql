-- Line 2: what a service in front of the library keeps. Instants are milliseconds since 1970.

-- Only hashes: who reads the database holds no key.
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  -- NULL: the operator's own, for all tenants.
  tenant TEXT,
  hint TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT;

-- Browsers that signed in. `id` is a hash of the cookie.
CREATE TABLE browsers (
  id TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Media that callers brought. The bytes lie in files.
CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  file_name TEXT,
  content_type TEXT,
  size INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_by_tenant ON uploads (tenant, created_at);

-- Which jobs publish which upload. No foreign key on jobs: an upload outlives them.
CREATE TABLE upload_jobs (
  upload TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
  job TEXT NOT NULL,
  PRIMARY KEY (upload, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_jobs_by_job ON upload_jobs (job);

-- Addresses at which a platform fetches media. `id` is a hash of the address's secret part; `job` is NULL
-- for the moment in which its job is being stored.
CREATE TABLE media_links (
  id TEXT PRIMARY KEY,
  tenant TEXT NOT NULL,
  reference BLOB NOT NULL,
  job TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX media_links_by_job ON media_links (job);

-- Numbers over time, as JSON.
CREATE TABLE stats_samples (
  tenant TEXT NOT NULL,
  channel TEXT NOT NULL REFERENCES accounts (channel) ON DELETE CASCADE,
  at INTEGER NOT NULL,
  stats TEXT NOT NULL,
  PRIMARY KEY (tenant, channel, at)
) STRICT, WITHOUT ROWID;

-- Files that a platform wants to find on our host, such as one that proves who owns it.
CREATE TABLE site_files (
  path TEXT PRIMARY KEY,
  content_type TEXT NOT NULL,
  bytes BLOB NOT NULL,
  added_at INTEGER NOT NULL
) STRICT;

-- What the platform's portal says about an app, as JSON.
ALTER TABLE apps ADD COLUMN listing TEXT;
