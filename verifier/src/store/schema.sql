-- Version 1. Times are seconds since 1970. `user_version` counts the migrations that were run.

-- What a report reads and writes of a device, in small rows.
CREATE TABLE devices (
  id INTEGER PRIMARY KEY,
  enrolment BLOB NOT NULL UNIQUE,
  -- Grows with everything that makes what others remember of the device wrong: revocation, another report key.
  generation INTEGER NOT NULL,
  revoked_at INTEGER,
  last_seen INTEGER NOT NULL,
  status TEXT NOT NULL,
  -- SHA-256 of the evidence accepted last.
  evidence BLOB NOT NULL
) STRICT;

-- What enrolment learned of a device, and what is remembered between its reports.
CREATE TABLE identities (
  device INTEGER PRIMARY KEY REFERENCES devices(id),
  kid BLOB NOT NULL UNIQUE,
  report_key BLOB NOT NULL,
  -- SHA-256 of the EK's public area, and the attestation key's public area; none for a key in software.
  ek BLOB UNIQUE,
  ak BLOB,
  genuine INTEGER NOT NULL,
  simulated INTEGER NOT NULL,
  enrolled_at INTEGER NOT NULL,
  standing TEXT NOT NULL
) STRICT;

-- Nonces that were used, until they expire. They begin with their expiry.
CREATE TABLE spent (nonce BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

-- Nonces below this may have been forgotten. None of them is accepted, even when the clock goes back.
CREATE TABLE forgotten (below BLOB NOT NULL) STRICT;
INSERT INTO forgotten VALUES (x'');

-- Enrolments under way.
CREATE TABLE pending (
  enrolment BLOB PRIMARY KEY,
  expires INTEGER NOT NULL,
  token INTEGER NOT NULL REFERENCES tokens(id),
  kid BLOB NOT NULL,
  report_key BLOB NOT NULL,
  ek BLOB,
  ak BLOB,
  genuine INTEGER NOT NULL,
  simulated INTEGER NOT NULL,
  -- SHA-256 of the credential's secret.
  secret BLOB
) STRICT;

CREATE TABLE tokens (
  id INTEGER PRIMARY KEY,
  -- SHA-256 of the token.
  digest BLOB NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  uses INTEGER NOT NULL,
  used INTEGER NOT NULL DEFAULT 0,
  revoked_at INTEGER
) STRICT;

-- The audit log. Each hash covers the row and the hash before it.
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  time INTEGER NOT NULL,
  kind TEXT NOT NULL,
  device BLOB,
  body TEXT NOT NULL,
  evidence BLOB,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_device ON audit (device, seq);
