-- Schema 3: what tells accounts of one name apart. It only adds: a program that knows schema 2 may be running beside.
ALTER TABLE {accounts} ADD COLUMN username MEDIUMBLOB, ADD COLUMN kind MEDIUMBLOB, ADD COLUMN parent_id MEDIUMBLOB;
