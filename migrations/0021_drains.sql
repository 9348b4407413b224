-- Several vendors for a property, an operator's word over a breaker, outages from opening to closing, and where stays went that waited.
SET LOCAL lock_timeout = '10s';

-- Vendors that a property has beside its main one.
CREATE TABLE property_vendors (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL CHECK (length(vendor) BETWEEN 1 AND 60 AND vendor <> 'desk'),
    -- The place that its secrets are sealed for.
    row_id uuid NOT NULL,
    -- Nothing secret. Secrets are sealed under the tenant's data key.
    config jsonb NOT NULL,
    sealed bytea,
    config_version bigint NOT NULL DEFAULT 1,
    -- The order in which stays change to it when their own vendor is down, and no key opens its doors before. NULL: it is in daily use beside
    -- the main one.
    standby_rank integer CHECK (standby_rank > 0),
    -- So many keys it can have at a time; NULL is any number.
    most_keys integer CHECK (most_keys >= 0),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, property_id, vendor),
    CONSTRAINT property_vendors_row UNIQUE (tenant_id, row_id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties
);
CALL protect_tenant_table('property_vendors', 'SELECT, INSERT, UPDATE');
GRANT SELECT (tenant_id, property_id, vendor, row_id, config, config_version, standby_rank, most_keys, created_at)
    ON property_vendors TO lock_app_ro, lock_auditor;

-- The property's choices about stays that wait for a vendor that is down; NULL are the defaults.
ALTER TABLE properties ADD COLUMN on_vendor_down jsonb;
GRANT SELECT (on_vendor_down) ON properties TO lock_app_ro, lock_auditor;

-- An operator's word, which counts until its time is over.
ALTER TABLE breakers
    ADD COLUMN forced_state text CHECK (forced_state IN ('open', 'closed')),
    ADD COLUMN forced_reason text,
    ADD COLUMN forced_until timestamptz,
    ADD COLUMN forced_by uuid;

-- Doors of another vendor have the stay's keys, since its own vendor was down.
ALTER TABLE stays ADD COLUMN diverted_to text;

CREATE TABLE outages (
    tenant_id uuid NOT NULL,
    outage_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    -- Why; NULL if an operator said so.
    code text,
    -- Places in the tenant's log of the events that tell of opening and closing.
    opened_seq bigint NOT NULL,
    closed_seq bigint,
    -- When the workflow that drains its waiting stays was begun.
    drain_begun_at timestamptz,
    PRIMARY KEY (tenant_id, outage_id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties,
    CHECK ((closed_at IS NULL) = (closed_seq IS NULL))
);
CREATE UNIQUE INDEX outages_one_open ON outages (tenant_id, property_id, vendor) WHERE closed_at IS NULL;
CREATE INDEX outages_latest ON outages (tenant_id, opened_at);
CALL protect_tenant_table('outages', 'SELECT, INSERT, UPDATE');

CREATE TABLE drain_steps (
    tenant_id uuid NOT NULL,
    outage_id uuid NOT NULL,
    stay_id uuid NOT NULL,
    -- A vendor's name, or 'desk'.
    channel text NOT NULL,
    -- In the order of the plan, from 1.
    place integer NOT NULL CHECK (place > 0),
    state text NOT NULL CHECK (state IN ('asked', 'accepted', 'failed', 'returned', 'at_desk', 'served', 'over')),
    code text,
    -- The request that it became.
    command_id uuid,
    -- Who let the guest in.
    served_by uuid,
    asked_at timestamptz NOT NULL,
    settled_at timestamptz,
    PRIMARY KEY (tenant_id, outage_id, stay_id, channel),
    CONSTRAINT drain_steps_place UNIQUE (tenant_id, outage_id, place),
    FOREIGN KEY (tenant_id, outage_id) REFERENCES outages,
    FOREIGN KEY (tenant_id, stay_id) REFERENCES stays,
    CHECK ((state IN ('asked', 'at_desk')) = (settled_at IS NULL))
);
CREATE INDEX drain_steps_asked ON drain_steps (tenant_id, asked_at, place) WHERE state = 'asked';
CREATE INDEX drain_steps_at_desk ON drain_steps (tenant_id, stay_id) WHERE state = 'at_desk';
CREATE INDEX drain_steps_by_stay ON drain_steps (tenant_id, stay_id);
CALL protect_tenant_table('drain_steps', 'SELECT, INSERT, UPDATE');

GRANT SELECT ON outages, drain_steps TO lock_app_ro, lock_auditor;
