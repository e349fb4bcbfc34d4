-- What IT calls devices and users, which token enrolled a device, and which revoked devices may enrol again.

ALTER TABLE tokens ADD COLUMN label TEXT;
ALTER TABLE identities ADD COLUMN token INTEGER REFERENCES tokens(id);
-- Since when a revoked device may enrol again.
ALTER TABLE devices ADD COLUMN readmitted_at INTEGER;

CREATE TABLE device_labels (
  device INTEGER PRIMARY KEY REFERENCES devices(id),
  label TEXT NOT NULL
) STRICT;

-- Each name of a user in `login_hint`, without differences of case and form. The user's own name is one of them.
CREATE TABLE user_names (
  folded TEXT PRIMARY KEY,
  -- As it was written.
  name TEXT NOT NULL,
  user INTEGER NOT NULL REFERENCES users(id)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_names_user ON user_names (user);
