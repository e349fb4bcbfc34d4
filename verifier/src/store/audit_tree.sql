-- The audit log as a Merkle tree, and what is counted for its next entries.

-- Random bytes of the payload's digest; none in an entry of the former chain.
ALTER TABLE audit ADD COLUMN salt BLOB;
-- The payload's digest, once the payload was removed: salt, body, evidence. Empty in an entry of the former chain.
ALTER TABLE audit ADD COLUMN pruned BLOB;
CREATE INDEX audit_kept ON audit (kind, time) WHERE pruned IS NULL;

-- One row: the log's name, once it has one, and the hash chain of earlier versions, which is leaf 0.
CREATE TABLE audit_log (
  name TEXT,
  chain_seq INTEGER NOT NULL,
  chain_hash BLOB NOT NULL,
  chain_root BLOB NOT NULL
) STRICT;

-- Hashes of complete tiles: of 256, 65536, ... leaves. Tree 0 is of the former chain's hashes, tree 1 is the log.
CREATE TABLE audit_nodes (
  tree INTEGER NOT NULL,
  level INTEGER NOT NULL,
  number INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (tree, level, number)
) STRICT, WITHOUT ROWID;

-- Signed notes.
CREATE TABLE audit_checkpoints (
  size INTEGER PRIMARY KEY,
  time INTEGER NOT NULL,
  note TEXT NOT NULL
) STRICT;

-- Reports of a device in an hour that changed nothing, before they become an entry.
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

-- Entries up to which the receivers of streams have the log.
CREATE TABLE audit_streams (
  name TEXT PRIMARY KEY,
  seq INTEGER NOT NULL
) STRICT;
