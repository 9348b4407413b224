-- The tenant's log: a Merkle tree of events (RFC 6962), and the outbox that publishes them.
SET LOCAL lock_timeout = '10s';

-- No foreign keys: the log outlives what it speaks of.
CREATE TABLE lock_audit (
    tenant_id uuid NOT NULL,
    leaf_index bigint NOT NULL CHECK (leaf_index >= 0),
    event_id uuid NOT NULL,
    at timestamptz NOT NULL,
    property_id uuid NOT NULL,
    stay_id uuid,
    type text NOT NULL,
    payload jsonb NOT NULL,
    leaf_hash bytea NOT NULL CHECK (length(leaf_hash) = 32),
    PRIMARY KEY (tenant_id, leaf_index),
    UNIQUE (tenant_id, event_id)
);
CREATE INDEX lock_audit_by_stay ON lock_audit (tenant_id, stay_id, leaf_index);
CREATE INDEX lock_audit_by_property ON lock_audit (tenant_id, property_id, leaf_index);
CALL protect_tenant_table('lock_audit', 'SELECT, INSERT');
CALL protect_append_only('lock_audit');

-- Whoever appends locks the tenant's row, so that leaf indices have no gap and become visible in order.
CREATE TABLE audit_heads (
    tenant_id uuid PRIMARY KEY REFERENCES tenants,
    size bigint NOT NULL CHECK (size >= 0),
    -- The roots of the perfect subtrees from left to right, 32 bytes each.
    frontier bytea NOT NULL CHECK (length(frontier) % 32 = 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    updated_at timestamptz NOT NULL
);
CALL protect_tenant_table('audit_heads', 'SELECT, INSERT, UPDATE');

CREATE TABLE outbox (
    tenant_id uuid NOT NULL,
    seq bigint NOT NULL,
    event_id uuid NOT NULL,
    published_at timestamptz,
    PRIMARY KEY (tenant_id, seq),
    FOREIGN KEY (tenant_id, seq) REFERENCES lock_audit
);
CREATE INDEX outbox_unpublished ON outbox (tenant_id, seq) WHERE published_at IS NULL;
CALL protect_tenant_table('outbox', 'SELECT, INSERT, UPDATE');

GRANT SELECT ON lock_audit, audit_heads TO lock_app_ro, lock_auditor;
