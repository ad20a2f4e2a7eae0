-- Schema 2: what happened, for those who ask for it, and the addresses to which it is sent. It only adds.

-- Events, written in the transaction of what they tell (told.rs).
--
-- `number` is the place in the tenant's order, from 1 on and without gaps. Transactions commit in another order than the
-- one in which they write, so a number that the writer took could appear after a higher one was read, and a reader with a
-- cursor would pass it by. So the writer leaves it NULL, and what has been committed is numbered when somebody asks: under
-- a lock of the tenant, which no writer ever waits for. The order of `seq` is that of the writes of one row.
CREATE TABLE IF NOT EXISTS {outbox} (
  seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  id VARBINARY(64) NOT NULL,
  tenant VARBINARY(64) NOT NULL,
  number BIGINT,
  kind VARBINARY(64) NOT NULL,
  at BIGINT NOT NULL,
  app VARBINARY(64),
  channel VARBINARY(255),
  display_name MEDIUMBLOB,
  health VARBINARY(32),
  detail MEDIUMBLOB,
  job VARBINARY(255),
  status VARBINARY(32),
  post_id MEDIUMBLOB,
  url MEDIUMBLOB,
  idempotency_key VARBINARY(1024),
  error MEDIUMBLOB,
  provider VARBINARY(255),
  version MEDIUMBLOB,
  digest VARBINARY(100),
  KEY by_number (tenant, number),
  -- Those without a number come first.
  KEY fresh (number, tenant),
  KEY by_id (id),
  KEY by_age (at)
) ENGINE=InnoDB;

-- The number of each tenant's last event. It outlives the events.
CREATE TABLE IF NOT EXISTS {outbox_heads} (
  tenant VARBINARY(64) NOT NULL PRIMARY KEY,
  number BIGINT NOT NULL
) ENGINE=InnoDB;

-- Addresses that get a tenant's events. `target` is ciphertext: the address may hold a secret too.
CREATE TABLE IF NOT EXISTS {endpoints} (
  id VARBINARY(255) NOT NULL PRIMARY KEY,
  tenant VARBINARY(64) NOT NULL,
  target MEDIUMBLOB NOT NULL,
  description MEDIUMBLOB NOT NULL,
  -- Kinds of events, as JSON. NULL: all.
  kinds MEDIUMBLOB,
  -- Events up to this number have their deliveries.
  position BIGINT NOT NULL,
  -- When something is to be sent. NULL: nothing is.
  due_at BIGINT,
  -- After failures nothing is sent before this instant.
  resume_at BIGINT NOT NULL DEFAULT 0,
  -- Failures in a row, and when the first of them was.
  failures BIGINT NOT NULL DEFAULT 0,
  failing_since BIGINT,
  disabled_at BIGINT,
  disabled_why MEDIUMBLOB,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  lease_owner VARBINARY(255),
  lease_until BIGINT NOT NULL DEFAULT 0,
  fence BIGINT NOT NULL DEFAULT 0,
  KEY by_tenant (tenant, id),
  KEY due (due_at)
) ENGINE=InnoDB;

-- An event on its way to an address. `due_at` is NULL once it arrived or was given up.
CREATE TABLE IF NOT EXISTS {deliveries} (
  endpoint VARBINARY(255) NOT NULL,
  number BIGINT NOT NULL,
  event VARBINARY(64) NOT NULL,
  kind VARBINARY(64) NOT NULL,
  at BIGINT NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  due_at BIGINT,
  delivered_at BIGINT,
  PRIMARY KEY (endpoint, number),
  KEY due (endpoint, due_at, number),
  KEY by_age (at),
  FOREIGN KEY (endpoint) REFERENCES {endpoints} (id) ON DELETE CASCADE
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS {delivery_attempts} (
  seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  endpoint VARBINARY(255) NOT NULL,
  number BIGINT NOT NULL,
  at BIGINT NOT NULL,
  took_ms BIGINT NOT NULL,
  -- NULL: there was no answer.
  status BIGINT,
  -- NULL: it was accepted.
  failure MEDIUMBLOB,
  KEY by_delivery (endpoint, number, seq),
  FOREIGN KEY (endpoint, number) REFERENCES {deliveries} (endpoint, number) ON DELETE CASCADE
) ENGINE=InnoDB;
