-- Health of devices: clocks of locks, episodes that are told once, what people have to do, and each time that a clock is set.
SET LOCAL lock_timeout = '10s';

ALTER TABLE device_states
    ADD COLUMN name text CHECK (length(name) <= 200),
    -- Since when it is in or out of reach, on the property's clock.
    ADD COLUMN online_since timestamptz,
    ADD COLUMN has_gateway boolean,
    -- How far the clock is ahead; negative if it is slow.
    ADD COLUMN drift_ms bigint,
    ADD COLUMN drift_at timestamptz,
    ADD COLUMN drift_source text CHECK (drift_source IN ('query', 'records')),
    -- A record of the door gives reason to look at the clock, and nobody has looked since.
    ADD COLUMN suspected_at timestamptz,
    -- When its clock was looked at last, whatever came of it.
    ADD COLUMN looked_at timestamptz,
    ADD COLUMN in_vain integer NOT NULL DEFAULT 0 CHECK (in_vain >= 0);

CREATE TABLE device_alerts (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('gateway', 'lock')),
    device_id text NOT NULL CHECK (length(device_id) BETWEEN 1 AND 200),
    alert text NOT NULL CHECK (alert IN ('clock_drift', 'battery_low', 'offline', 'gateway_offline')),
    raised_at timestamptz NOT NULL,
    resolved_at timestamptz,
    PRIMARY KEY (tenant_id, property_id, vendor, kind, device_id, alert, raised_at),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties
);
-- One episode at a time, whoever sees it.
CREATE UNIQUE INDEX device_alerts_open ON device_alerts (tenant_id, property_id, vendor, kind, device_id, alert) WHERE resolved_at IS NULL;
CALL protect_tenant_table('device_alerts', 'SELECT, INSERT, UPDATE');

CREATE TABLE maintenance_tasks (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    task_id uuid NOT NULL,
    vendor text NOT NULL,
    device_id text NOT NULL CHECK (length(device_id) BETWEEN 1 AND 200),
    door_id uuid,
    alert text NOT NULL CHECK (alert IN ('clock_drift', 'battery_low', 'offline', 'gateway_offline')),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 40),
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    -- The API key of whoever closed it; NULL if a reading was good again.
    closed_by uuid,
    PRIMARY KEY (tenant_id, task_id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties,
    FOREIGN KEY (tenant_id, door_id) REFERENCES doors,
    CHECK (closed_at IS NOT NULL OR closed_by IS NULL)
);
CREATE UNIQUE INDEX maintenance_tasks_open ON maintenance_tasks (tenant_id, property_id, vendor, device_id, alert) WHERE closed_at IS NULL;
CREATE INDEX maintenance_tasks_by_property ON maintenance_tasks (tenant_id, property_id, task_id);
CALL protect_tenant_table('maintenance_tasks', 'SELECT, INSERT, UPDATE');

-- Each time that a lock's clock is set: the intent before, the outcome after.
CREATE TABLE clock_syncs (
    tenant_id uuid NOT NULL,
    attempt_id uuid NOT NULL,
    phase text NOT NULL CHECK (phase IN ('intent', 'outcome')),
    property_id uuid NOT NULL,
    door_id uuid NOT NULL,
    outcome text CHECK (outcome IN ('confirmed', 'failed', 'unconfirmed')),
    code text,
    -- How far the clock was ahead then.
    drift_ms bigint,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, attempt_id, phase),
    FOREIGN KEY (tenant_id, door_id) REFERENCES doors,
    CHECK ((phase = 'outcome') = (outcome IS NOT NULL))
);
CREATE INDEX clock_syncs_by_door ON clock_syncs (tenant_id, door_id, at);
CALL protect_tenant_table('clock_syncs', 'SELECT, INSERT');
CALL protect_append_only('clock_syncs');

GRANT SELECT ON device_alerts, maintenance_tasks, clock_syncs TO lock_app_ro, lock_auditor;
