-- The policy store: catalog, rules, audit log and secrets. Times are microseconds since 1970 in UTC; lists and
-- structures are JSON text. Identifiers collate "C": byte order, the same in every locale.

CREATE TABLE policy_version (
    id      BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO policy_version (id, version) VALUES (1, 0);

CREATE TABLE databases (
    name     TEXT    NOT NULL PRIMARY KEY,
    comment  TEXT,
    revision BIGINT NOT NULL
);

CREATE TABLE lake_tables (
    database_name     TEXT    NOT NULL REFERENCES databases (name),
    name              TEXT    NOT NULL,
    id                TEXT    NOT NULL UNIQUE,
    location          TEXT    NOT NULL,
    format            TEXT    NOT NULL,
    version           BIGINT,
    schema_json       TEXT    NOT NULL,
    partition_columns TEXT    NOT NULL,
    comment           TEXT,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    revision          BIGINT NOT NULL,
    PRIMARY KEY (database_name, name)
);

CREATE TABLE roles (
    name     TEXT    NOT NULL PRIMARY KEY,
    members  TEXT    NOT NULL,
    revision BIGINT NOT NULL
);

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
    revision    BIGINT NOT NULL
);

-- The id is a UUID version 7, so its order is the order in time.
CREATE TABLE audit_events (
    id           TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
    at           BIGINT NOT NULL,
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
    row_count    BIGINT NOT NULL,
    byte_count   BIGINT NOT NULL,
    duration_ms  BIGINT NOT NULL,
    detail       TEXT
);
CREATE INDEX audit_events_at ON audit_events (at);
CREATE INDEX audit_events_actor ON audit_events (actor, id);
CREATE INDEX audit_events_action ON audit_events (action, id);
CREATE INDEX audit_events_verdict ON audit_events (verdict, id);

CREATE TABLE audit_tables (
    name     TEXT NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL REFERENCES audit_events (id) ON DELETE CASCADE,
    PRIMARY KEY (name, event_id)
);
CREATE INDEX audit_tables_event ON audit_tables (event_id);

CREATE TABLE secrets (
    name       TEXT    NOT NULL PRIMARY KEY,
    value      BYTEA   NOT NULL,
    created_at BIGINT NOT NULL
);
