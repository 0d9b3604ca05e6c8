-- What a query was asked as, besides the user's name: the groups and the database of unqualified names, as JSON.
-- With it a query can be judged again under another policy.
ALTER TABLE audit_events ADD COLUMN asked_as TEXT;
