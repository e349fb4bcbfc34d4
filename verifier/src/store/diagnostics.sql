-- Diagnostics that people sent to IT. References are never used again.
CREATE TABLE diagnostics (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  device INTEGER NOT NULL REFERENCES devices(id),
  received INTEGER NOT NULL,
  -- Length of the text in bytes.
  bytes INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT;
CREATE INDEX diagnostics_device ON diagnostics (device, id);
-- Covers the deletion of old ones and the sum of their lengths.
CREATE INDEX diagnostics_received ON diagnostics (received, bytes);
