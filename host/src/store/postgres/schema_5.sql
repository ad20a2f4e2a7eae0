-- Schema 5: what tells accounts of one name apart. It only adds: a program that knows schema 3 may be running beside.
ALTER TABLE accounts ADD COLUMN username text, ADD COLUMN kind text, ADD COLUMN parent_id text;
