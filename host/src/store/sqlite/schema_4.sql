-- Line 4. Jobs are listed by pages and removed some time after their end, without a look at all of them; the bytes of an
-- app's values are added up without reading the values.

CREATE INDEX jobs_by_time ON jobs (tenant, created_at DESC, id);
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX provider_values_size ON provider_values (app, length(value));
