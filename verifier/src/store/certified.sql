-- The end of the EK certificate's validity; none for a key in software, a pinned certificate, or a device of before.
ALTER TABLE pending ADD COLUMN certified_until INTEGER;
ALTER TABLE identities ADD COLUMN certified_until INTEGER;
