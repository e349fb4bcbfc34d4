-- Taps with a PIN or fingerprint, on which taps at the level badge may rest: of each device the newest.
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

-- Entry of the tap with a PIN on which the assertion may rest; none if the key must verify its user.
ALTER TABLE offers ADD COLUMN rests_on INTEGER;
