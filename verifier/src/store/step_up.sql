-- Version 2: users, their security keys, the applications that ask for them, and what they ask.

CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  -- What an application calls them: `login_hint`.
  name TEXT NOT NULL UNIQUE,
  -- What security keys and tokens call them (user.id, sub): 16 random bytes.
  handle BLOB NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  disabled_at INTEGER
) STRICT;

-- Where a user is asked, when the application does not say at which device they are.
CREATE TABLE user_devices (
  user INTEGER NOT NULL REFERENCES users(id),
  device INTEGER NOT NULL REFERENCES devices(id),
  PRIMARY KEY (user, device)
) STRICT, WITHOUT ROWID;

-- One-time codes with which a user registers a security key.
CREATE TABLE key_codes (
  id INTEGER PRIMARY KEY,
  user INTEGER NOT NULL REFERENCES users(id),
  -- SHA-256 of the code.
  digest BLOB NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  used_at INTEGER
) STRICT;

-- Registrations under way.
CREATE TABLE registrations (
  id BLOB PRIMARY KEY,
  code INTEGER NOT NULL REFERENCES key_codes(id),
  device INTEGER NOT NULL REFERENCES devices(id),
  expires INTEGER NOT NULL,
  -- What is needed to end it: JSON.
  state TEXT NOT NULL
) STRICT;

CREATE TABLE security_keys (
  id INTEGER PRIMARY KEY,
  user INTEGER NOT NULL REFERENCES users(id),
  -- The credential's id.
  credential BLOB NOT NULL UNIQUE,
  -- Its public key, counter and attestation: JSON.
  passkey TEXT NOT NULL,
  name TEXT NOT NULL,
  model TEXT NOT NULL,
  aaguid BLOB NOT NULL,
  registered INTEGER NOT NULL,
  last_used INTEGER,
  revoked_at INTEGER
) STRICT;
CREATE INDEX security_keys_user ON security_keys (user);

-- Applications.
CREATE TABLE clients (
  -- `client_id`.
  id TEXT PRIMARY KEY,
  -- What a person is shown.
  name TEXT NOT NULL,
  -- SHA-256 of its secret, or its public keys (JWK set); exactly one.
  secret BLOB,
  jwks TEXT,
  -- The audience of its access tokens.
  audience TEXT NOT NULL,
  created INTEGER NOT NULL,
  disabled_at INTEGER
) STRICT;

-- Names of assertions and proofs that were used, until they expire: SHA-256.
CREATE TABLE used_jtis (
  digest BLOB PRIMARY KEY,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_jtis_expires ON used_jtis (expires);

CREATE TABLE step_ups (
  id BLOB PRIMARY KEY,
  -- SHA-256 of the `auth_req_id`.
  request BLOB NOT NULL UNIQUE,
  client TEXT NOT NULL REFERENCES clients(id),
  -- None when there is no such user: it goes the way of a user whom no device reaches.
  user INTEGER REFERENCES users(id),
  -- Whom the application asked for: bounds how many wait for one person, whether there is such a person or not.
  login_hint TEXT NOT NULL,
  acr TEXT NOT NULL,
  -- The transaction's text, as it is bound.
  transaction_text TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  -- How it ended; none while it has not.
  ended TEXT,
  ended_at INTEGER,
  -- What the token says, JSON; none but for one that was approved.
  approval TEXT,
  -- The token was given out.
  redeemed_at INTEGER
) STRICT;
CREATE INDEX step_ups_open ON step_ups (expires) WHERE ended IS NULL;
CREATE INDEX step_ups_hint ON step_ups (login_hint) WHERE ended IS NULL;
CREATE INDEX step_ups_expired ON step_ups (expires);

-- A step-up, as it is asked of one device.
CREATE TABLE offers (
  step_up BLOB NOT NULL REFERENCES step_ups(id),
  device INTEGER NOT NULL REFERENCES devices(id),
  nonce BLOB NOT NULL,
  -- The evidence, R, the verdict as it was signed and as far as a level depends on it (JSON), once they are there; and
  -- the device's generation and its last report then.
  evidence BLOB,
  random BLOB,
  ear TEXT,
  health TEXT,
  evidence_at INTEGER,
  generation INTEGER,
  last_report BLOB,
  -- How it ended at this device, and SHA-256 of the assertion that ended it.
  ended TEXT,
  assertion BLOB,
  PRIMARY KEY (step_up, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX offers_device ON offers (device);

-- What devices are told, in order.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  device INTEGER NOT NULL REFERENCES devices(id),
  -- Which step-up it is about, if it is.
  step_up BLOB,
  name TEXT NOT NULL,
  data TEXT NOT NULL,
  expires INTEGER NOT NULL
) STRICT;
CREATE INDEX events_device ON events (device, seq);
CREATE INDEX events_step_up ON events (step_up);

-- `audit prove` finds an approval by its step-up.
CREATE INDEX audit_step_ups ON audit (body->>'step_up') WHERE kind = 'step-up-approved';
