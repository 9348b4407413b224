-- Stays, the rooms they hold, and the requests that change them.
SET LOCAL lock_timeout = '10s';

CREATE TABLE stays (
    tenant_id uuid NOT NULL,
    stay_id uuid NOT NULL,
    property_id uuid NOT NULL,
    reservation text NOT NULL CHECK (reservation ~ '^[A-Za-z0-9._-]{1,64}$'),
    window_from timestamptz NOT NULL,
    window_until timestamptz NOT NULL,
    room_id uuid NOT NULL,
    phase text NOT NULL CHECK (phase IN ('planned', 'issuing', 'active', 'moving', 'suspended', 'ending', 'ended')),
    cause text CHECK (cause IN ('checked_out', 'cancelled', 'no_show', 'expired')),
    suspended boolean NOT NULL DEFAULT false,
    needs_attention boolean NOT NULL DEFAULT false,
    attention_code text,
    -- The next instant, on the property's clock, at which the stay acts by itself.
    next_deadline timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, stay_id),
    FOREIGN KEY (tenant_id, property_id, room_id) REFERENCES rooms,
    CHECK (window_from < window_until)
);
CREATE UNIQUE INDEX stays_one_live ON stays (tenant_id, property_id, reservation) WHERE phase <> 'ended';
CREATE INDEX stays_by_reservation ON stays (tenant_id, property_id, reservation, created_at);
CREATE INDEX stays_by_arrival ON stays (tenant_id, property_id, window_from);
CREATE INDEX stays_by_id ON stays (tenant_id, property_id, stay_id);
CREATE INDEX stays_due ON stays (tenant_id, property_id, next_deadline) WHERE phase <> 'ended';
CALL protect_tenant_table('stays', 'SELECT, INSERT, UPDATE');

CREATE TABLE commands (
    tenant_id uuid NOT NULL,
    command_id uuid NOT NULL,
    property_id uuid NOT NULL,
    stay_id uuid NOT NULL,
    reservation text NOT NULL,
    verb text NOT NULL,
    payload jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('accepted', 'running', 'needs_human', 'done', 'failed', 'overtaken')),
    code text,
    by_key uuid NOT NULL,
    accepted_at timestamptz NOT NULL,
    delivered_at timestamptz,
    settled_at timestamptz,
    PRIMARY KEY (tenant_id, command_id),
    FOREIGN KEY (tenant_id, stay_id) REFERENCES stays
);
CREATE INDEX commands_undelivered ON commands (tenant_id, accepted_at) WHERE delivered_at IS NULL AND status = 'accepted';
CREATE INDEX commands_by_stay ON commands (tenant_id, stay_id, accepted_at);
CALL protect_tenant_table('commands', 'SELECT, INSERT, UPDATE');

CREATE TABLE room_claims (
    tenant_id uuid NOT NULL,
    claim_id uuid NOT NULL,
    property_id uuid NOT NULL,
    room_id uuid NOT NULL,
    stay_id uuid NOT NULL,
    -- The command that wanted the room; if it comes to nothing, so does its claim.
    command_id uuid NOT NULL,
    during tstzrange NOT NULL CHECK (NOT isempty(during)),
    claimed_at timestamptz NOT NULL DEFAULT now(),
    released_at timestamptz,
    PRIMARY KEY (tenant_id, claim_id),
    FOREIGN KEY (tenant_id, property_id, room_id) REFERENCES rooms,
    FOREIGN KEY (tenant_id, stay_id) REFERENCES stays,
    CONSTRAINT room_claims_no_overlap EXCLUDE USING gist (tenant_id WITH =, property_id WITH =, room_id WITH =, during WITH &&)
        WHERE (released_at IS NULL)
);
CREATE INDEX room_claims_by_stay ON room_claims (tenant_id, stay_id) WHERE released_at IS NULL;
CREATE INDEX room_claims_by_command ON room_claims (tenant_id, command_id) WHERE released_at IS NULL;
CALL protect_tenant_table('room_claims', 'SELECT, INSERT, UPDATE');

CREATE TABLE idempotency (
    tenant_id uuid NOT NULL,
    api_key_id uuid NOT NULL,
    route text NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 128),
    body_sha256 bytea NOT NULL CHECK (length(body_sha256) = 32),
    state text NOT NULL CHECK (state IN ('in_progress', 'done')),
    status integer,
    body jsonb,
    begun_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, api_key_id, route, key),
    FOREIGN KEY (tenant_id, api_key_id) REFERENCES api_keys,
    CHECK (state = 'in_progress' OR (status IS NOT NULL AND body IS NOT NULL))
);
CREATE INDEX idempotency_expired ON idempotency (tenant_id, expires_at);
CALL protect_tenant_table('idempotency', 'SELECT, INSERT, UPDATE, DELETE');

GRANT SELECT ON stays, commands, room_claims TO lock_app_ro, lock_auditor;
