-- Batches: files of requests that a provider answers as one job, recorded before they are sent.
CREATE TABLE batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL,
    part TEXT NOT NULL,
    target INTEGER NOT NULL,
    subject TEXT NOT NULL,
    data TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    input INTEGER NOT NULL,
    output INTEGER NOT NULL,
    recorded INTEGER NOT NULL,
    state TEXT NOT NULL,
    file TEXT,
    batch_id TEXT,
    said TEXT,
    updated INTEGER,
    answered INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    error TEXT
) STRICT;

CREATE INDEX batches_by_state ON batches (state);

-- The requests of batches that are under way; none of these is sent by any other road.
CREATE TABLE batch_rows (
    key BLOB NOT NULL,
    batch INTEGER NOT NULL,
    PRIMARY KEY (key, batch)
) STRICT, WITHOUT ROWID;
