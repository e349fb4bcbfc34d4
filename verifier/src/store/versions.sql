-- Which programs may use this store, and a table for readiness checks.
CREATE TABLE schema (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- Version of the program that brought the store to its schema version.
  program TEXT NOT NULL,
  -- Lowest schema version that a program must know to use this store.
  compatible_from INTEGER NOT NULL
) STRICT;
INSERT INTO schema VALUES (1, '', 0);

-- A readiness check writes a row of some pages and deletes it: a full store can still change a row in place.
CREATE TABLE probe (content BLOB NOT NULL) STRICT;
