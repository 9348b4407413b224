-- Keys, their PINs, and their presence in locks.
SET LOCAL lock_timeout = '10s';

CREATE TABLE keys (
    tenant_id uuid NOT NULL,
    key_id uuid NOT NULL,
    stay_id uuid NOT NULL,
    holder integer NOT NULL CHECK (holder BETWEEN 0 AND 65535),
    wish text NOT NULL CHECK (wish IN ('wanted', 'until', 'unwanted')),
    superseded_by uuid,
    -- A keyed hash, so that equal PINs of a property can be told without knowing them.
    pin_fingerprint bytea NOT NULL,
    pin_sealed bytea NOT NULL,
    revealed_at timestamptz,
    revealed_by uuid,
    reveal_key text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key_id),
    FOREIGN KEY (tenant_id, stay_id) REFERENCES stays,
    CHECK (wish <> 'until' OR superseded_by IS NOT NULL),
    CHECK ((revealed_at IS NULL) = (revealed_by IS NULL))
);
CREATE INDEX keys_by_stay ON keys (tenant_id, stay_id);
CALL protect_tenant_table('keys', 'SELECT, INSERT, UPDATE');

CREATE TABLE pins (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    fingerprint bytea NOT NULL,
    key_id uuid NOT NULL,
    reserved_at timestamptz NOT NULL,
    -- NULL while in use; afterwards, until when nobody gets it.
    quarantined_until timestamptz,
    CONSTRAINT pins_pkey PRIMARY KEY (tenant_id, property_id, fingerprint),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties
);
CREATE INDEX pins_by_key ON pins (tenant_id, key_id);
CALL protect_tenant_table('pins', 'SELECT, INSERT, UPDATE');

CREATE TABLE credentials (
    tenant_id uuid NOT NULL,
    credential_id uuid NOT NULL,
    key_id uuid NOT NULL,
    stay_id uuid NOT NULL,
    door_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('planned', 'issuing', 'live', 'unconfirmed', 'refused', 'revoking', 'gone')),
    requested_from timestamptz,
    requested_until timestamptz,
    effective_from timestamptz,
    effective_until timestamptz,
    vendor_ref text,
    token text NOT NULL,
    last_code text,
    still_valid_until timestamptz,
    -- The attempt that has no outcome yet. It stands on the row that is locked, because a second writer that has waited for the lock would
    -- not see a new row of another table.
    open_intent jsonb,
    -- When something was last sent whose effect nobody knows; it may still arrive for a while. NULL once the credential is proven.
    unresolved_since timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, credential_id),
    UNIQUE (tenant_id, key_id, door_id),
    FOREIGN KEY (tenant_id, key_id) REFERENCES keys,
    FOREIGN KEY (tenant_id, stay_id) REFERENCES stays,
    FOREIGN KEY (tenant_id, door_id) REFERENCES doors,
    CHECK ((requested_from IS NULL) = (requested_until IS NULL)),
    CHECK ((effective_from IS NULL) = (effective_until IS NULL))
);
CREATE INDEX credentials_by_stay ON credentials (tenant_id, stay_id);
CALL protect_tenant_table('credentials', 'SELECT, INSERT, UPDATE');

CREATE TABLE key_credential_attempts (
    tenant_id uuid NOT NULL,
    attempt_id uuid NOT NULL,
    phase text NOT NULL CHECK (phase IN ('intent', 'outcome')),
    credential_id uuid NOT NULL,
    action text NOT NULL CHECK (action IN ('issue', 'change', 'revoke', 'read')),
    attempt_no integer NOT NULL,
    requested_from timestamptz,
    requested_until timestamptz,
    outcome text CHECK (outcome IN ('live', 'gone', 'unconfirmed', 'refused', 'called_off')),
    code text,
    -- What the vendor said, without secrets.
    detail jsonb,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, attempt_id, phase),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES credentials,
    CHECK ((phase = 'outcome') = (outcome IS NOT NULL))
);
CREATE INDEX key_credential_attempts_by_credential ON key_credential_attempts (tenant_id, credential_id, at);
CALL protect_tenant_table('key_credential_attempts', 'SELECT, INSERT');
CALL protect_append_only('key_credential_attempts');

GRANT SELECT ON credentials, key_credential_attempts TO lock_app_ro, lock_auditor;
