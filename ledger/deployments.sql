-- Deployments: models on machines that are billed by the minute, recorded before they are made.
CREATE TABLE deployments (
    mark TEXT PRIMARY KEY NOT NULL,
    provider TEXT NOT NULL,
    base_url TEXT NOT NULL,
    model TEXT NOT NULL,
    hardware TEXT NOT NULL,
    nanos_per_hour INTEGER NOT NULL,
    idle_minutes INTEGER NOT NULL,
    run TEXT NOT NULL,
    recorded INTEGER NOT NULL,
    deployment_id TEXT,
    ended INTEGER
) STRICT, WITHOUT ROWID;
