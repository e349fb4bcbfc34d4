-- Version 4: entries that are looked up by what they are about.

-- The policies in force, for the comparison at each start.
CREATE INDEX audit_policies ON audit (seq) WHERE kind = 'policy-changed';

-- `audit prove` finds the entry of a step-up.
CREATE INDEX audit_approvals ON audit (body->>'step_up') WHERE kind = 'step-up-approved';
