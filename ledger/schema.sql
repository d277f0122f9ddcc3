-- Version 1. Times are microseconds since 1970 (UTC).

-- Who was asked.
CREATE TABLE targets (
    id INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    base_url TEXT NOT NULL,
    model TEXT NOT NULL,
    UNIQUE (provider, base_url, model)
) STRICT;

CREATE TABLE runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    command TEXT NOT NULL,
    tool_version TEXT NOT NULL,
    started INTEGER NOT NULL,
    ended INTEGER,
    state TEXT NOT NULL,
    asked INTEGER NOT NULL DEFAULT 0,
    answered INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The one answer to each key. Rows lie in the order in which they came, and only the index of keys is random: a
-- commit then touches fewer pages than with the rows themselves in key order.
CREATE TABLE answers (
    key BLOB NOT NULL UNIQUE,
    target INTEGER NOT NULL,
    run INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    latency INTEGER NOT NULL,
    input INTEGER,
    output INTEGER,
    finish TEXT NOT NULL,
    text TEXT NOT NULL,
    version TEXT,
    probabilities BLOB,
    label_probability REAL,
    note TEXT,
    seal INTEGER NOT NULL
) STRICT;

-- Requests under way, by the slot that they hold in their run. A slot is written over by its next request, so a row
-- here whose key has an answer is done with.
CREATE TABLE intents (
    run INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    target INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    key BLOB NOT NULL,
    PRIMARY KEY (run, slot)
) STRICT, WITHOUT ROWID;

-- Requests of ended runs of which nobody knows whether they were paid for.
CREATE TABLE doubts (
    run INTEGER NOT NULL,
    target INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (run, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
    run INTEGER NOT NULL,
    target INTEGER NOT NULL,
    cause TEXT NOT NULL,
    retryable INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (run, target, cause, retryable)
) STRICT, WITHOUT ROWID;

-- Where fresh answers were asked for: older ones than the floor do not count.
CREATE TABLE floors (
    scope BLOB PRIMARY KEY NOT NULL,
    floor INTEGER NOT NULL,
    open INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    mark TEXT NOT NULL,
    provider TEXT NOT NULL,
    base_url TEXT NOT NULL,
    base TEXT NOT NULL,
    hyperparameters TEXT NOT NULL,
    seed INTEGER NOT NULL,
    training_sha256 TEXT NOT NULL,
    recorded INTEGER NOT NULL,
    job_id TEXT,
    status TEXT,
    tuned_model TEXT,
    error TEXT,
    updated INTEGER,
    ended INTEGER,
    UNIQUE (provider, base_url, job_id)
) STRICT;

CREATE INDEX jobs_by_mark ON jobs (mark);
