-- Line 3. What a front door keeps is the front door's: documents by kind and id take the place of its tables.
-- Instants are milliseconds since 1970.

CREATE TABLE documents (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  -- JSON of the front door's own.
  facts TEXT NOT NULL,
  body BLOB,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX documents_by_end ON documents (expires_at) WHERE expires_at IS NOT NULL;

INSERT INTO documents (kind, id, facts, created_at)
  SELECT 'api-key', hash,
    json_object('id', id, 'name', name, 'tenant', tenant, 'hint', hint, 'used_at', used_at), created_at
  FROM api_keys;
INSERT INTO documents (kind, id, facts, created_at, expires_at)
  SELECT 'browser', id, '{}', created_at, expires_at FROM browsers;
INSERT INTO documents (kind, id, facts, body, created_at)
  SELECT 'site-file', path, json_object('content_type', content_type, 'size', length(bytes)), bytes, added_at
  FROM site_files;
INSERT INTO documents (kind, id, facts, created_at)
  SELECT 'password', 'operator', json_object('hash', CAST(value AS TEXT)), 0
  FROM meta WHERE key = 'operator-password' AND length(value) > 0;
DELETE FROM meta WHERE key = 'operator-password';
DROP TABLE api_keys;
DROP TABLE browsers;
DROP TABLE site_files;

-- When a channel last had its turn, so that one with many jobs does not hold up the others.
ALTER TABLE turns RENAME TO channel_fairness;
