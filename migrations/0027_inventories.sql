-- What stands at a property's locks, as its vendors list it: ours and others'.
SET LOCAL lock_timeout = '10s';

CREATE TABLE inventories (
    tenant_id uuid NOT NULL,
    inventory_id uuid NOT NULL,
    property_id uuid NOT NULL,
    -- What was asked for; all NULL: every lock of the property.
    room_id uuid,
    door_id uuid,
    vendor text,
    asked_by uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('accepted', 'running', 'done', 'cancelled')),
    cancelled_by uuid,
    accepted_at timestamptz NOT NULL,
    begun_at timestamptz,
    finished_at timestamptz,
    -- Its workflow has begun.
    delivered_at timestamptz,
    PRIMARY KEY (tenant_id, inventory_id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties,
    CHECK ((state IN ('done', 'cancelled')) = (finished_at IS NOT NULL)),
    CHECK ((state = 'cancelled') = (cancelled_by IS NOT NULL))
);
CREATE UNIQUE INDEX inventories_one_at_a_time ON inventories (tenant_id, property_id) WHERE state IN ('accepted', 'running');
CREATE INDEX inventories_by_property ON inventories (tenant_id, property_id, inventory_id);
CALL protect_tenant_table('inventories', 'SELECT, INSERT, UPDATE');

CREATE TABLE inventory_locks (
    tenant_id uuid NOT NULL,
    inventory_id uuid NOT NULL,
    -- In the order of reading, from 1.
    place integer NOT NULL CHECK (place > 0),
    door_id uuid NOT NULL,
    vendor text NOT NULL,
    vendor_lock_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'read', 'not_read', 'cannot_list')),
    -- Why it was not read.
    code text,
    -- When it was read, real time, or given up.
    at timestamptz,
    -- Each credential with what the comparison says: no name, no digits.
    entries jsonb,
    -- So many of each verdict, and so many that a person should look at.
    tally jsonb,
    findings integer NOT NULL DEFAULT 0 CHECK (findings >= 0),
    PRIMARY KEY (tenant_id, inventory_id, place),
    CONSTRAINT inventory_locks_door UNIQUE (tenant_id, inventory_id, door_id),
    FOREIGN KEY (tenant_id, inventory_id) REFERENCES inventories,
    FOREIGN KEY (tenant_id, door_id) REFERENCES doors,
    CHECK ((state = 'read') = (entries IS NOT NULL)),
    CHECK ((entries IS NULL) = (tally IS NULL)),
    CHECK ((state = 'not_read') = (code IS NOT NULL)),
    CHECK ((state = 'waiting') = (at IS NULL))
);
CREATE INDEX inventory_locks_waiting ON inventory_locks (tenant_id, inventory_id, vendor, place) WHERE state = 'waiting';
CALL protect_tenant_table('inventory_locks', 'SELECT, INSERT, UPDATE');

GRANT SELECT ON inventories, inventory_locks TO lock_app_ro, lock_auditor;
