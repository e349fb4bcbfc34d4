-- A store of schema version 10, as the program of that version wrote it. keys/ has its key files.
BEGIN TRANSACTION;
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  time INTEGER NOT NULL,
  kind TEXT NOT NULL,
  device BLOB,
  body TEXT NOT NULL,
  evidence BLOB,
  hash BLOB NOT NULL
, salt BLOB, pruned BLOB) STRICT;
INSERT INTO "audit" VALUES(1,1795989221,'policy-changed',NULL,'{"policy":"urn:vitalsign:policy:default:40b0f6608f2dfd67","step_up_policy":"urn:vitalsign:policy:step-up:8fc49127bca12656"}',NULL,X'0661022DC366F6955E6E119C97F9BB2D8FAF391220FFA3D862F34ED36D15017B',X'71E93B583E294EB1CCA3E4699352CAB0',NULL);
INSERT INTO "audit" VALUES(2,1795989224,'key-rotated',NULL,'{"before":"o1LnediQXdMCgiQYV0krHmVd3ODGLbi6R6uesclsXeI","by":{"host":"vm","uid":0,"user":"root"},"from":1795989225,"now":"UgcsMBOVOVuK1Xk7dVpLbPTdJgo3oxT9j2pMcKz5XNY","signs":"verdicts"}',NULL,X'7E053B15300198880C2490C2B14A1A8DD126AF2780D24B64D301BB7B50DDC7E2',X'D24A6BE4404F4A05A662F6E6CE1FD105',NULL);
INSERT INTO "audit" VALUES(3,1795989224,'key-rotated',NULL,'{"before":"BJKaBXjhcR366B95ZlrYYYYIWcbqlSXAKF9D-MWXCGE","by":{"host":"vm","uid":0,"user":"root"},"from":1795989225,"now":"p4SLWsh3Dn0z-ncNnil3Ul6Gn9gmolSI8rz4y2BOG3Q","signs":"tokens"}',NULL,X'96C3DEFF45149B01BB3A2EAB62613EB603ED5C022CD3C7795F62EE90E540B25F',X'F541EA7A6C639E0FE6374EB0BB49EC48',NULL);
INSERT INTO "audit" VALUES(4,1795989228,'key-rotated',NULL,'{"before":"UgcsMBOVOVuK1Xk7dVpLbPTdJgo3oxT9j2pMcKz5XNY","by":{"host":"vm","uid":0,"user":"root"},"from":1795989229,"now":"pqOH-Gt0zOgbPodpNSyviAldxbek8NpddjsfPw4i_R4","signs":"verdicts"}',NULL,X'2FAB7DEA73A2C94112D6C4C05C5D6104478FA319639D019F6C2BEB2D1DADC39C',X'3FB4B9CF34FE326672470D2117D4E425',NULL);
INSERT INTO "audit" VALUES(5,1795989232,'key-rotated',NULL,'{"before":"pqOH-Gt0zOgbPodpNSyviAldxbek8NpddjsfPw4i_R4","by":{"host":"vm","uid":0,"user":"root"},"from":4949589232,"now":"bgSeHwQjarzJ8q1RG7qBs1Wvi-j6HXDsf3eWD2pkU4I","signs":"verdicts"}',NULL,X'CF532D9FE34AA2186600C04C0113882C7A0986BFA49B5615CBC28EEA970C5716',X'9543FBFAB4976B064C46B06F3475A9AA',NULL);
INSERT INTO "audit" VALUES(6,1795989245,'user-added',NULL,'{"by":{"host":"vm","uid":0,"user":"root"},"user":"nurse-7"}',NULL,X'22B7460D1380447E5FFF56DB56C0C186F10ECBBE3E5E32511C150F404B9EF4F0',X'90791A17386177E9FAC03742E8FC629D',NULL);
CREATE TABLE audit_checkpoints (
  size INTEGER PRIMARY KEY,
  time INTEGER NOT NULL,
  note TEXT NOT NULL
) STRICT;
INSERT INTO "audit_checkpoints" VALUES(2,1795989221,'localhost:0/audit
2
pk4myQxrtmkzuwntlmOxWAkl2tyKP56Sfd2NnbeVsnU=

— localhost:0/audit oMUXU93zqdG6aCz4ku23vY189mukhpCnvY6py8mzhpSvJxnMGfpD0lWk9zU+6rp6cJnUrCNCwuGWQ2bVEFaRuxlAlgc=
');
INSERT INTO "audit_checkpoints" VALUES(4,1795989228,'localhost:0/audit
4
COD50e8rax2R/5Urg1xa70oCqfO8+1DhjugyE1aNHRs=

— localhost:0/audit oMUXU2M2zv/CTI4q7T3HjOswKXCrfQ6t6ccOGZMXQlBG56OV5WhaLedoevUXza4/j5Rhnx/+6/sSoKh7FgLdQiUF8Q4=
');
INSERT INTO "audit_checkpoints" VALUES(5,1795989232,'localhost:0/audit
5
xpSdwTsUD4L5TIdv+3pzGyEitIP1zb6+UDXH2/S1vCo=

— localhost:0/audit oMUXU3RmhVUha2wGUQUlDBY9mIn+RcBOMAWVukC4Pw6dPddW/zXwf4vt7pJ/RcSQGT4wn9lyvS44NF9st0Tc0VoavwA=
');
INSERT INTO "audit_checkpoints" VALUES(7,1795989247,'localhost:0/audit
7
Ig/2YTlqTxZerg5OEKa9FSpalxubEIvzBgRpqEOFciM=

— localhost:0/audit oMUXUwhfV49NUR/2zh7GXAo7V8K0Ze+vashAPf9ungYkxpZ4fZhCnRo3Y/RPBMCF3amCqNoafxLdPLdzNaBB/3KNjAg=
');
CREATE TABLE audit_log (
  name TEXT,
  chain_seq INTEGER NOT NULL,
  chain_hash BLOB NOT NULL,
  chain_root BLOB NOT NULL
) STRICT;
INSERT INTO "audit_log" VALUES('localhost:0/audit',0,X'0000000000000000000000000000000000000000000000000000000000000000',X'E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855');
CREATE TABLE audit_nodes (
  tree INTEGER NOT NULL,
  level INTEGER NOT NULL,
  number INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (tree, level, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_streams (
  name TEXT PRIMARY KEY,
  seq INTEGER NOT NULL
) STRICT;
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
, settings TEXT NOT NULL DEFAULT
  '{"strict_audience":false,"authorization_details_types":"any","dpop_bound_access_tokens":false,"transaction_text":false,"preferred_username":false}', previous_secret BLOB, previous_secret_expires INTEGER) STRICT;
CREATE TABLE device_labels (
  device INTEGER PRIMARY KEY REFERENCES devices(id),
  label TEXT NOT NULL
) STRICT;
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
, readmitted_at INTEGER) STRICT;
CREATE TABLE diagnostics (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  device INTEGER NOT NULL REFERENCES devices(id),
  received INTEGER NOT NULL,
  -- Length of the text in bytes.
  bytes INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT;
CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  device INTEGER NOT NULL REFERENCES devices(id),
  -- Which step-up it is about, if it is.
  step_up BLOB,
  name TEXT NOT NULL,
  data TEXT NOT NULL,
  expires INTEGER NOT NULL
) STRICT;
CREATE TABLE forgotten (below BLOB NOT NULL) STRICT;
INSERT INTO "forgotten" VALUES(X'');
CREATE TABLE heartbeats (
  device INTEGER PRIMARY KEY REFERENCES devices(id),
  -- Hours since 1970.
  hour INTEGER NOT NULL,
  count INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  status TEXT NOT NULL,
  policy TEXT NOT NULL,
  -- Hash chain over the digests of the evidence.
  evidence BLOB NOT NULL
) STRICT;
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
, token INTEGER REFERENCES tokens(id)) STRICT;
CREATE TABLE key_codes (
  id INTEGER PRIMARY KEY,
  user INTEGER NOT NULL REFERENCES users(id),
  -- SHA-256 of the code.
  digest BLOB NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  used_at INTEGER
) STRICT;
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
  assertion BLOB, rests_on INTEGER,
  PRIMARY KEY (step_up, device)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE pin_taps (
  device INTEGER PRIMARY KEY REFERENCES devices(id),
  -- The device's PIN period, generation and boot count in the evidence that the tap covers.
  period BLOB NOT NULL,
  generation INTEGER NOT NULL,
  boot_count INTEGER NOT NULL,
  user INTEGER NOT NULL REFERENCES users(id),
  security_key INTEGER NOT NULL REFERENCES security_keys(id),
  -- When the tap was verified, by the verifier's clock.
  at INTEGER NOT NULL,
  -- Number and hash of the approval's entry in the audit log.
  audit INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE TABLE probe (content BLOB NOT NULL) STRICT;
CREATE TABLE registrations (
  id BLOB PRIMARY KEY,
  code INTEGER NOT NULL REFERENCES key_codes(id),
  device INTEGER NOT NULL REFERENCES devices(id),
  expires INTEGER NOT NULL,
  -- What is needed to end it: JSON.
  state TEXT NOT NULL
) STRICT;
CREATE TABLE schema (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Version of the program that brought the store to its schema version.
  program TEXT NOT NULL,
  -- Lowest schema version that a program must know to use this store.
  compatible_from INTEGER NOT NULL
) STRICT;
INSERT INTO "schema" VALUES(1,'0.1.0',10);
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
CREATE TABLE spent (nonce BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
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
, reasons TEXT) STRICT;
CREATE TABLE tokens (
  id INTEGER PRIMARY KEY,
  -- SHA-256 of the token.
  digest BLOB NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  uses INTEGER NOT NULL,
  used INTEGER NOT NULL DEFAULT 0,
  revoked_at INTEGER
, label TEXT) STRICT;
CREATE TABLE used_jtis (
  digest BLOB PRIMARY KEY,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE user_devices (
  user INTEGER NOT NULL REFERENCES users(id),
  device INTEGER NOT NULL REFERENCES devices(id),
  PRIMARY KEY (user, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE user_names (
  folded TEXT PRIMARY KEY,
  -- As it was written.
  name TEXT NOT NULL,
  user INTEGER NOT NULL REFERENCES users(id)
) STRICT, WITHOUT ROWID;
INSERT INTO "user_names" VALUES('nurse-7','nurse-7',1);
CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  -- What an application calls them: `login_hint`.
  name TEXT NOT NULL UNIQUE,
  -- What security keys and tokens call them (user.id, sub): 16 random bytes.
  handle BLOB NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  disabled_at INTEGER
) STRICT;
INSERT INTO "users" VALUES(1,'nurse-7',X'00D8A56842D4EECE44D1388DAF187781',1795989245,NULL);
CREATE INDEX audit_device ON audit (device, seq);
CREATE INDEX security_keys_user ON security_keys (user);
CREATE INDEX used_jtis_expires ON used_jtis (expires);
CREATE INDEX step_ups_open ON step_ups (expires) WHERE ended IS NULL;
CREATE INDEX step_ups_hint ON step_ups (login_hint) WHERE ended IS NULL;
CREATE INDEX step_ups_expired ON step_ups (expires);
CREATE INDEX offers_device ON offers (device);
CREATE INDEX events_device ON events (device, seq);
CREATE INDEX events_step_up ON events (step_up);
CREATE INDEX audit_step_ups ON audit (body->>'step_up') WHERE kind = 'step-up-approved';
CREATE INDEX audit_alerts ON audit (seq) WHERE kind = 'step-up-ended' AND body->>'alert';
CREATE INDEX audit_policies ON audit (seq) WHERE kind = 'policy-changed';
CREATE INDEX audit_approvals ON audit (body->>'step_up') WHERE kind = 'step-up-approved';
CREATE INDEX diagnostics_device ON diagnostics (device, id);
CREATE INDEX diagnostics_received ON diagnostics (received, bytes);
CREATE INDEX user_names_user ON user_names (user);
CREATE INDEX step_ups_refused ON step_ups (login_hint, client, ended_at) WHERE ended IN ('declined', 'not-mine');
CREATE INDEX audit_kept ON audit (kind, time) WHERE pruned IS NULL;
DELETE FROM "sqlite_sequence";
COMMIT;
PRAGMA user_version = 10;
