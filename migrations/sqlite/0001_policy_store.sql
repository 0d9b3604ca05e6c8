-- The policy store: catalog, rules, audit log and secrets. Times are microseconds since 1970 in UTC; lists and
-- structures are JSON text. Tables are `STRICT`, so that a column holds what it says.

CREATE TABLE policy_version (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO policy_version (id, version) VALUES (1, 0);

CREATE TABLE databases (
    name     TEXT    NOT NULL PRIMARY KEY,
    comment  TEXT,
    revision INTEGER NOT NULL
) STRICT;

CREATE TABLE lake_tables (
    database_name     TEXT    NOT NULL REFERENCES databases (name),
    name              TEXT    NOT NULL,
    id                TEXT    NOT NULL UNIQUE,
    location          TEXT    NOT NULL,
    format            TEXT    NOT NULL,
    version           INTEGER,
    schema_json       TEXT    NOT NULL,
    partition_columns TEXT    NOT NULL,
    comment           TEXT,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    revision          INTEGER NOT NULL,
    PRIMARY KEY (database_name, name)
) STRICT;

CREATE TABLE roles (
    name     TEXT    NOT NULL PRIMARY KEY,
    members  TEXT    NOT NULL,
    revision INTEGER NOT NULL
) STRICT;

-- A grant names its principal and its target; it does not refer to them, so that it outlives a table that is
-- dropped and brought in again.
CREATE TABLE grants (
    id          TEXT    NOT NULL PRIMARY KEY,
    grantee     TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    permissions TEXT    NOT NULL,
    column_set  TEXT    NOT NULL,
    row_filter  TEXT,
    reason      TEXT,
    revision    INTEGER NOT NULL
) STRICT;

-- The id is a UUID version 7, so its order is the order in time.
CREATE TABLE audit_events (
    id           TEXT    NOT NULL PRIMARY KEY,
    at           INTEGER NOT NULL,
    actor        TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    door         TEXT,
    sql_text     TEXT,
    governed_sql TEXT,
    tables       TEXT    NOT NULL,
    columns      TEXT    NOT NULL,
    verdict      TEXT    NOT NULL,
    error_code   TEXT,
    policy       TEXT    NOT NULL,
    row_count    INTEGER NOT NULL,
    byte_count   INTEGER NOT NULL,
    duration_ms  INTEGER NOT NULL,
    detail       TEXT
) STRICT;
CREATE INDEX audit_events_at ON audit_events (at);
CREATE INDEX audit_events_actor ON audit_events (actor, id);
CREATE INDEX audit_events_action ON audit_events (action, id);
CREATE INDEX audit_events_verdict ON audit_events (verdict, id);

CREATE TABLE audit_tables (
    name     TEXT NOT NULL,
    event_id TEXT NOT NULL REFERENCES audit_events (id) ON DELETE CASCADE,
    PRIMARY KEY (name, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_tables_event ON audit_tables (event_id);

CREATE TABLE secrets (
    name       TEXT    NOT NULL PRIMARY KEY,
    value      BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
