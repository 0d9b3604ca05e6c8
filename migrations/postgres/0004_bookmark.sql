-- How far a table that grows has been read from its source, as JSON. It is written with the version that it belongs to.
ALTER TABLE lake_tables ADD COLUMN bookmark TEXT;
