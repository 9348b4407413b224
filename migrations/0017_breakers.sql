-- Circuit breakers of properties' links to their lock vendors, shared by all workers, and what their probes found.
SET LOCAL lock_timeout = '10s';

-- The property's choices about probes; NULL are the defaults.
ALTER TABLE properties ADD COLUMN health jsonb;
GRANT SELECT (health) ON properties TO lock_app_ro, lock_auditor;

CREATE TABLE breakers (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL,
    state text NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
    since timestamptz NOT NULL,
    opened_at timestamptz,
    code text,
    bad integer NOT NULL CHECK (bad >= 0),
    good integer NOT NULL CHECK (good >= 0),
    pause_ms bigint NOT NULL CHECK (pause_ms >= 0),
    next_probe_at timestamptz NOT NULL,
    -- It has opened, and no round has said since whether that was right.
    unproven boolean NOT NULL DEFAULT false,
    -- What the last round found, by kind of probe. No secrets.
    evidence jsonb NOT NULL DEFAULT '[]',
    -- What the last round saw of gateways and locks.
    devices jsonb NOT NULL DEFAULT '{}',
    -- How calls for guests ended since the last round.
    calls_well integer NOT NULL DEFAULT 0 CHECK (calls_well >= 0),
    calls_bad integer NOT NULL DEFAULT 0 CHECK (calls_bad >= 0),
    round bigint NOT NULL DEFAULT 0,
    opens bigint NOT NULL DEFAULT 0,
    false_positives bigint NOT NULL DEFAULT 0,
    -- Whoever makes a round has it until then.
    leased_until timestamptz,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id, property_id, vendor),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties,
    CONSTRAINT breakers_opened CHECK ((state = 'closed') = (opened_at IS NULL))
);
CREATE INDEX breakers_due ON breakers (tenant_id, next_probe_at);
CALL protect_tenant_table('breakers', 'SELECT, INSERT, UPDATE');

-- The last rounds, one row a probe. Never changed; old rounds are deleted.
CREATE TABLE health_probes (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL,
    round bigint NOT NULL,
    kind text NOT NULL,
    finding text NOT NULL CHECK (finding IN ('well', 'bad', 'silent')),
    reach text,
    code text,
    took_ms integer NOT NULL CHECK (took_ms >= 0),
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, property_id, vendor, round, kind),
    FOREIGN KEY (tenant_id, property_id, vendor) REFERENCES breakers
);
CALL protect_tenant_table('health_probes', 'SELECT, INSERT, DELETE');

GRANT SELECT ON breakers, health_probes TO lock_app_ro, lock_auditor;
