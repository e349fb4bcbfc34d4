-- The verifier's own keys. Private halves are sealed by a key-encryption key (KEK) that is not in the store.

-- One row, once there are keys: which KEK seals them.
CREATE TABLE key_encryption (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Name of the KEK, which is derived from it.
  kek TEXT NOT NULL,
  -- Grows with each change of the keys.
  revision INTEGER NOT NULL
) STRICT;

CREATE TABLE verifier_keys (
  id INTEGER PRIMARY KEY,
  purpose TEXT NOT NULL,
  -- next, active, retired or withdrawn.
  state TEXT NOT NULL,
  -- The public key's bytes; empty for a secret without one.
  public BLOB NOT NULL,
  -- The key that announced this one, and the announcement.
  announced_by TEXT,
  announcement TEXT,
  created INTEGER NOT NULL,
  -- Time from which it signs.
  begins INTEGER NOT NULL,
  retired INTEGER,
  withdrawn INTEGER,
  -- The private key, as long as it may sign. Authenticates the whole row.
  sealed BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX verifier_keys_active ON verifier_keys (purpose) WHERE state = 'active';
CREATE UNIQUE INDEX verifier_keys_next ON verifier_keys (purpose) WHERE state = 'next';
