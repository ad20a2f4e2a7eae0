-- Line 9: what tells accounts of one name apart. It only adds: a program that knows line 8 may be running beside.
ALTER TABLE accounts ADD COLUMN username TEXT;
ALTER TABLE accounts ADD COLUMN kind TEXT;
ALTER TABLE accounts ADD COLUMN parent_id TEXT;
