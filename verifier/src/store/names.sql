-- Names that a device says of itself, where its organisation allows it. Nothing proves them.
ALTER TABLE devices ADD COLUMN host_name TEXT;
ALTER TABLE devices ADD COLUMN asset_tag TEXT;
