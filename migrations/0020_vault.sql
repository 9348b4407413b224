-- The credential vault: rotation of keys, and who opened what.
SET LOCAL lock_timeout = '10s';

-- Under which root key of the key-management service a data key is wrapped, and since when. NULL: from before that was noted.
ALTER TABLE tenant_keys ADD COLUMN root text CHECK (length(root) <= 400);
ALTER TABLE tenant_keys ADD COLUMN rewrapped_at timestamptz;

CREATE TABLE vault_rotations (
    tenant_id uuid NOT NULL REFERENCES tenants,
    rotation_id uuid NOT NULL,
    root_keys boolean NOT NULL,
    data_keys boolean NOT NULL,
    asked_by uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('accepted', 'running', 'done')),
    -- What new values are sealed under from its beginning on; NULL before it has begun, and without `data_keys`.
    rows_version integer CHECK (rows_version > 1),
    histories_version integer CHECK (histories_version > 1),
    rewrapped integer NOT NULL DEFAULT 0 CHECK (rewrapped >= 0),
    resealed bigint NOT NULL DEFAULT 0 CHECK (resealed >= 0),
    -- Values that are still under an earlier version at its end, because they don't open: damaged ones.
    left_behind bigint,
    accepted_at timestamptz NOT NULL,
    begun_at timestamptz,
    finished_at timestamptz,
    -- Its workflow has begun.
    delivered_at timestamptz,
    PRIMARY KEY (tenant_id, rotation_id),
    CHECK (root_keys OR data_keys),
    CHECK ((state = 'done') = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX vault_rotations_one_at_a_time ON vault_rotations (tenant_id) WHERE state <> 'done';
CALL protect_tenant_table('vault_rotations', 'SELECT, INSERT, UPDATE');

-- Each opening of a secret: by whom, what for, how often since the row before. No foreign keys: it outlives what it speaks of.
CREATE TABLE vault_accesses (
    tenant_id uuid NOT NULL,
    access_id uuid NOT NULL,
    at timestamptz NOT NULL,
    -- `process/NAME` or an API key's id.
    who text NOT NULL CHECK (length(who) BETWEEN 1 AND 200),
    purpose text NOT NULL CHECK (length(purpose) BETWEEN 1 AND 40),
    -- The sealed column and its row.
    place text NOT NULL CHECK (length(place) BETWEEN 1 AND 100),
    row_id uuid NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('opened', 'refused')),
    times integer NOT NULL CHECK (times > 0),
    -- What was out of pattern about it.
    oddity text CHECK (length(oddity) BETWEEN 1 AND 40),
    CONSTRAINT vault_accesses_pkey PRIMARY KEY (tenant_id, access_id)
);
CREATE INDEX vault_accesses_by_who ON vault_accesses (tenant_id, who, at);
CREATE INDEX vault_accesses_by_time ON vault_accesses (tenant_id, at);
CALL protect_tenant_table('vault_accesses', 'SELECT, INSERT');
CALL protect_append_only('vault_accesses');

GRANT SELECT ON vault_rotations, vault_accesses TO lock_app_ro, lock_auditor;
