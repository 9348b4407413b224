-- Locks that have said that they are full, and who waits for a place in one.
SET LOCAL lock_timeout = '10s';

CREATE TABLE full_locks (
    tenant_id uuid NOT NULL,
    door_id uuid NOT NULL,
    property_id uuid NOT NULL,
    -- So many codes of ours stood there when the lock said so; more have fitted since if this has risen.
    ours bigint NOT NULL CHECK (ours >= 0),
    -- When it said so, or was last tried all the same; real time.
    told_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, door_id),
    FOREIGN KEY (tenant_id, door_id) REFERENCES doors
);
CREATE INDEX full_locks_by_property ON full_locks (tenant_id, property_id);
CALL protect_tenant_table('full_locks', 'SELECT, INSERT, UPDATE, DELETE');
GRANT SELECT ON full_locks TO lock_app_ro, lock_auditor;

CREATE TABLE place_waits (
    tenant_id uuid NOT NULL,
    credential_id uuid NOT NULL,
    door_id uuid NOT NULL,
    since timestamptz NOT NULL,
    -- When it last asked; who has stopped asking does not wait any more.
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, credential_id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES credentials,
    FOREIGN KEY (tenant_id, door_id) REFERENCES doors
);
CREATE INDEX place_waits_by_door ON place_waits (tenant_id, door_id);
CALL protect_tenant_table('place_waits', 'SELECT, INSERT, UPDATE, DELETE');
GRANT SELECT ON place_waits TO lock_app_ro, lock_auditor;

-- What stands in one lock.
CREATE INDEX credentials_by_door ON credentials (tenant_id, door_id);
