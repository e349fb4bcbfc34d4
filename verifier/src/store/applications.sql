-- Version 6: settings of applications, and a replaced secret that is still accepted.

-- JSON. Applications that were registered before may do what they could do.
ALTER TABLE clients ADD COLUMN settings TEXT NOT NULL DEFAULT
  '{"strict_audience":false,"authorization_details_types":"any","dpop_bound_access_tokens":false,"transaction_text":false,"preferred_username":false}';
-- SHA-256 of the secret that `secret` replaced, and until when it is accepted; both or neither.
ALTER TABLE clients ADD COLUMN previous_secret BLOB;
ALTER TABLE clients ADD COLUMN previous_secret_expires INTEGER;

-- The pause of an application that a person has refused.
CREATE INDEX step_ups_refused ON step_ups (login_hint, client, ended_at) WHERE ended IN ('declined', 'not-mine');
