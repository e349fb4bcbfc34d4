-- Version 3: what is told of a step-up's end, to the application and to who watches for alerts.

-- What of the device stood against the level: names of checks, a JSON array. None but for one that ended as `unhealthy`.
ALTER TABLE step_ups ADD COLUMN reasons TEXT;

-- `audit alerts` finds what a person says that they did not ask for.
CREATE INDEX audit_alerts ON audit (seq) WHERE kind = 'step-up-ended' AND body->>'alert';
