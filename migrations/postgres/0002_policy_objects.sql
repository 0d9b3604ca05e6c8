-- What a grant may say besides: a named filter, whether it may be passed on (0 or 1), and when it holds.
ALTER TABLE grants ADD COLUMN filter_name TEXT;
ALTER TABLE grants ADD COLUMN grantable BIGINT NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN valid_from BIGINT;
ALTER TABLE grants ADD COLUMN valid_until BIGINT;

-- Filters, restrictions, tags, tag assignments and views: few, read whole, and never searched by their parts. The
-- document is JSON.
CREATE TABLE policy_objects (
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    document TEXT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);

-- What changed at each version, so that other nodes need not read everything anew. Old versions are removed.
CREATE TABLE policy_changes (
    version  BIGINT NOT NULL,
    position BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (version, position)
);
