-- Hotels, their rooms and doors, and who may call the API for them.
SET LOCAL lock_timeout = '10s';

CREATE TABLE properties (
    tenant_id uuid NOT NULL REFERENCES tenants,
    property_id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    zone text NOT NULL,
    live boolean NOT NULL,
    clock_offset_ms bigint NOT NULL DEFAULT 0 CHECK (clock_offset_ms >= 0),
    clock_hook_url text,
    policy jsonb NOT NULL,
    vendor text NOT NULL,
    -- Addresses, account names, limits: nothing secret. Secrets are sealed under the tenant's data key.
    vendor_config jsonb NOT NULL,
    vendor_sealed bytea,
    config_version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, property_id),
    CONSTRAINT properties_live_clock_is_real CHECK (NOT live OR (clock_offset_ms = 0 AND clock_hook_url IS NULL))
);
CALL protect_tenant_table('properties', 'SELECT, INSERT, UPDATE');

CREATE TABLE rooms (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    room_id uuid NOT NULL,
    number text NOT NULL CHECK (length(number) BETWEEN 1 AND 32),
    PRIMARY KEY (tenant_id, property_id, room_id),
    CONSTRAINT rooms_number UNIQUE (tenant_id, property_id, number),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties
);
CALL protect_tenant_table('rooms', 'SELECT, INSERT, UPDATE');

CREATE TABLE doors (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    door_id uuid NOT NULL,
    -- NULL: a common area, which every key of the property opens.
    room_id uuid,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    vendor text NOT NULL,
    vendor_lock_id text NOT NULL CHECK (length(vendor_lock_id) BETWEEN 1 AND 200),
    PRIMARY KEY (tenant_id, door_id),
    CONSTRAINT doors_lock UNIQUE (tenant_id, property_id, vendor, vendor_lock_id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties,
    FOREIGN KEY (tenant_id, property_id, room_id) REFERENCES rooms
);
CREATE INDEX doors_by_room ON doors (tenant_id, property_id, room_id);
CALL protect_tenant_table('doors', 'SELECT, INSERT, UPDATE');

CREATE TABLE api_keys (
    tenant_id uuid NOT NULL REFERENCES tenants,
    api_key_id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    role text NOT NULL,
    scopes text[] NOT NULL,
    -- NULL: all of the tenant's properties.
    property_ids uuid[],
    -- 256 random bits need no slow hash.
    secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    PRIMARY KEY (tenant_id, api_key_id)
);
CALL protect_tenant_table('api_keys', 'SELECT, INSERT, UPDATE');

CREATE TABLE tenant_keys (
    tenant_id uuid NOT NULL REFERENCES tenants,
    purpose text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    wrapped bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('active', 'decrypt_only', 'destroyed')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, purpose, version)
);
CALL protect_tenant_table('tenant_keys', 'SELECT, INSERT, UPDATE');

-- Not the sealed secrets: readers have no business with them.
GRANT SELECT (tenant_id, property_id, name, zone, live, clock_offset_ms, clock_hook_url, policy, vendor, vendor_config, config_version, created_at)
    ON properties TO lock_app_ro, lock_auditor;
GRANT SELECT ON rooms, doors TO lock_app_ro, lock_auditor;
