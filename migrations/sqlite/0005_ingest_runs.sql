-- What has become of each run of a job. A run that is going on is held by one node until its lease ends, which the node renews
-- as long as it lives. Times are microseconds since 1970 in UTC; progress and outcome are JSON.
CREATE TABLE ingest_runs (
    id               TEXT    NOT NULL PRIMARY KEY,
    job              TEXT    NOT NULL,
    cause            TEXT    NOT NULL,
    requested_by     TEXT    NOT NULL,
    attempt          INTEGER NOT NULL,
    only_tables      TEXT    NOT NULL,
    due_at           INTEGER NOT NULL,
    state            TEXT    NOT NULL,
    node             TEXT,
    lease_until      INTEGER,
    cancel_requested INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER,
    progress         TEXT,
    outcome          TEXT,
    error            TEXT
) STRICT;
-- A moment of a schedule makes one run, however many nodes see it come.
CREATE UNIQUE INDEX ingest_runs_due ON ingest_runs (job, due_at);
-- A job runs once at a time, on whichever node.
CREATE UNIQUE INDEX ingest_runs_running ON ingest_runs (job) WHERE state = 'running';
CREATE INDEX ingest_runs_state ON ingest_runs (state, due_at);
