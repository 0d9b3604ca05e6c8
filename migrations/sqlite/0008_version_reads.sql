-- Until when a query may read the files of a version, in microseconds since 1970: removing versions waits for it.
ALTER TABLE table_versions ADD COLUMN read_until INTEGER NOT NULL DEFAULT 0;
