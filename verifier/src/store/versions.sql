-- Which programs may use this store, and a row that readiness writes.
CREATE TABLE schema (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Version of the program that brought the store to its schema version.
  program TEXT NOT NULL,
  -- Lowest schema version that a program must know to use this store.
  compatible_from INTEGER NOT NULL,
  -- Time of the last write by a readiness check, in seconds since 1970.
  probed_at INTEGER NOT NULL
) STRICT;
INSERT INTO schema VALUES (1, '', 0, 0);
