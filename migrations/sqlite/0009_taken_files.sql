-- The files of a source that a table has taken, each with what told it from others then, so that none is taken twice. They are
-- written with the version that has their rows, and go with their table.
CREATE TABLE taken_files (
    table_id TEXT NOT NULL REFERENCES lake_tables (id) ON UPDATE CASCADE ON DELETE CASCADE,
    url      TEXT NOT NULL,
    tag      TEXT NOT NULL,
    PRIMARY KEY (table_id, url)
) STRICT, WITHOUT ROWID;
