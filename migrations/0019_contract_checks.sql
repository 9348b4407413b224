-- Whether vendors keep their contract: what a property's check works on, its runs, what was accepted, and incidents.
SET LOCAL lock_timeout = '10s';

-- A lock that no guest uses, and an encoder; without it nothing is checked. Not on live properties: a check makes keys.
ALTER TABLE properties ADD COLUMN contract jsonb;
GRANT SELECT (contract) ON properties TO lock_app_ro, lock_auditor;

CREATE TABLE contract_runs (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL,
    run_id uuid NOT NULL,
    at timestamptz NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('adopted', 'same', 'drift', 'restored', 'silent', 'away')),
    -- Facts without ids, instants or digits. None if the vendor was not there.
    report jsonb,
    PRIMARY KEY (tenant_id, run_id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties
);
CREATE INDEX contract_runs_by_property ON contract_runs (tenant_id, property_id, vendor, at);
CALL protect_tenant_table('contract_runs', 'SELECT, INSERT, DELETE');

-- What later runs are compared with.
CREATE TABLE contract_baselines (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL,
    report jsonb NOT NULL,
    accepted_at timestamptz NOT NULL,
    -- NULL: the first run that was well.
    accepted_by uuid,
    PRIMARY KEY (tenant_id, property_id, vendor),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties
);
CALL protect_tenant_table('contract_baselines', 'SELECT, INSERT, UPDATE');

CREATE TABLE vendor_incidents (
    tenant_id uuid NOT NULL,
    incident_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('contract_drift')),
    state text NOT NULL CHECK (state IN ('open', 'accepted', 'restored')),
    opened_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    runs integer NOT NULL CHECK (runs > 0),
    ended_at timestamptz,
    accepted_by uuid,
    -- What differs, and the run that showed it last.
    differences jsonb NOT NULL,
    report jsonb NOT NULL,
    PRIMARY KEY (tenant_id, incident_id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties,
    CHECK ((state = 'open') = (ended_at IS NULL))
);
-- One at a time, whoever sees it.
CREATE UNIQUE INDEX vendor_incidents_open ON vendor_incidents (tenant_id, property_id, vendor, kind) WHERE state = 'open';
CALL protect_tenant_table('vendor_incidents', 'SELECT, INSERT, UPDATE');

GRANT SELECT ON contract_runs, contract_baselines, vendor_incidents TO lock_app_ro, lock_auditor;
