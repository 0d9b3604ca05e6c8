-- Every version of a table that was published, with the columns that it has. A version of the log that is not here was
-- never published, or is no longer kept. They go with their table.
CREATE TABLE table_versions (
    table_id          TEXT    NOT NULL REFERENCES lake_tables (id) ON UPDATE CASCADE ON DELETE CASCADE,
    published_at      INTEGER NOT NULL,
    version           INTEGER NOT NULL,
    schema_json       TEXT    NOT NULL,
    partition_columns TEXT    NOT NULL,
    PRIMARY KEY (table_id, published_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX table_versions_version ON table_versions (table_id, version);
INSERT INTO table_versions (table_id, published_at, version, schema_json, partition_columns)
    SELECT id, updated_at, version, schema_json, partition_columns FROM lake_tables WHERE version IS NOT NULL;
