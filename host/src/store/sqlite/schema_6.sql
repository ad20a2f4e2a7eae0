-- Line 6: who did it. NULL: not known, as for everything before this line and for callers without a name.

ALTER TABLE jobs ADD COLUMN submitted_by TEXT;
ALTER TABLE job_history ADD COLUMN made_by TEXT;
ALTER TABLE accounts ADD COLUMN connected_by TEXT;
