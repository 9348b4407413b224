-- Webhooks that come in: where they may come in, what came in, and what it led to.
SET LOCAL lock_timeout = '10s';

CREATE TABLE webhook_endpoints (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    sender text NOT NULL CHECK (sender IN ('ttlock', 'visionline', 'pms', 'notifications')),
    scheme text NOT NULL CHECK (scheme IN ('hmac_sha256', 'standard_webhooks', 'path_only')),
    -- 256 random bits need no slow hash.
    path_sha256 bytea NOT NULL CHECK (length(path_sha256) = 32),
    -- The path before the last rotation, and until when it still works.
    former_path_sha256 bytea CHECK (length(former_path_sha256) = 32),
    former_path_until timestamptz,
    -- Those that are good now, with their ends, sealed under the tenant's data key.
    secrets_sealed bytea,
    created_at timestamptz NOT NULL,
    rotated_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, endpoint_id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties,
    CHECK ((scheme = 'path_only') = (secrets_sealed IS NULL)),
    CHECK ((former_path_sha256 IS NULL) = (former_path_until IS NULL))
);
CREATE INDEX webhook_endpoints_by_property ON webhook_endpoints (tenant_id, property_id, endpoint_id);
CALL protect_tenant_table('webhook_endpoints', 'SELECT, INSERT, UPDATE');

CREATE TABLE webhook_deliveries (
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    property_id uuid NOT NULL,
    dedup_key text NOT NULL CHECK (length(dedup_key) BETWEEN 1 AND 200),
    -- A keyed digest: a plain one of a body with few unknown digits would tell them.
    body_digest bytea NOT NULL CHECK (length(body_digest) = 32),
    -- The bytes as they came, which may hold PINs: sealed under the tenant's data key.
    body_sealed bytea NOT NULL,
    meaning jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('received', 'processed', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL,
    settled_at timestamptz,
    trouble text CHECK (length(trouble) <= 100),
    PRIMARY KEY (tenant_id, delivery_id),
    CONSTRAINT webhook_deliveries_once UNIQUE (tenant_id, endpoint_id, dedup_key),
    FOREIGN KEY (tenant_id, endpoint_id) REFERENCES webhook_endpoints,
    CHECK ((state = 'received') = (settled_at IS NULL))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (tenant_id, next_at) WHERE state = 'received';
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (tenant_id, received_at);
CALL protect_tenant_table('webhook_deliveries', 'SELECT, INSERT, UPDATE, DELETE');

-- What happened at doors, in the vendor's own record: no digits, no names.
CREATE TABLE door_records (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL,
    record_id text NOT NULL CHECK (length(record_id) BETWEEN 1 AND 200),
    door_id uuid NOT NULL,
    -- By the lock's own clock, which may be wrong.
    at timestamptz NOT NULL,
    at_server timestamptz,
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 60),
    means text NOT NULL CHECK (length(means) BETWEEN 1 AND 20),
    credential_id uuid,
    battery_percent smallint CHECK (battery_percent BETWEEN 0 AND 255),
    stored_at timestamptz NOT NULL,
    CONSTRAINT door_records_pkey PRIMARY KEY (tenant_id, property_id, vendor, record_id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties,
    FOREIGN KEY (tenant_id, door_id) REFERENCES doors
);
CREATE INDEX door_records_by_door ON door_records (tenant_id, door_id, at);
CALL protect_tenant_table('door_records', 'SELECT, INSERT');
CALL protect_append_only('door_records');

-- What was last seen of gateways and locks, so that a change is told once.
CREATE TABLE device_states (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('gateway', 'lock')),
    device_id text NOT NULL CHECK (length(device_id) BETWEEN 1 AND 200),
    online boolean,
    battery_percent smallint CHECK (battery_percent BETWEEN 0 AND 255),
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, property_id, vendor, kind, device_id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties
);
CALL protect_tenant_table('device_states', 'SELECT, INSERT, UPDATE');

-- When a credential first opened its door, by the lock's own clock.
ALTER TABLE credentials ADD COLUMN first_used_at timestamptz;

GRANT SELECT ON door_records, device_states TO lock_app_ro, lock_auditor;

-- Like recognise_api_key: the path names its tenant, and row security decides as ever.
CREATE FUNCTION recognise_webhook(wanted_tenant uuid, wanted_endpoint uuid) RETURNS SETOF webhook_endpoints
LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM set_config('app.tenant_id', wanted_tenant::text, true);
    RETURN QUERY SELECT * FROM public.webhook_endpoints e WHERE e.tenant_id = wanted_tenant AND e.endpoint_id = wanted_endpoint;
END $$;
REVOKE ALL ON FUNCTION recognise_webhook(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION recognise_webhook(uuid, uuid) TO lock_app_rw;
