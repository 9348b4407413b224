-- Vendors' streams of events: which worker listens to each, and how far what was heard is stored.
SET LOCAL lock_timeout = '10s';

CREATE TABLE vendor_streams (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL,
    -- Rises with each listener: one that was given up for dead notices that it has lost the stream, and stores nothing any more.
    epoch bigint NOT NULL DEFAULT 0,
    -- Nobody else listens before then. NULL: nobody does.
    leased_until timestamptz,
    listening_since timestamptz,
    -- When somebody may listen next.
    next_at timestamptz NOT NULL,
    -- By the locks' clocks: the newest record that was heard. From some time before it the log is read again.
    passed_at timestamptz,
    -- When it was heard, real time.
    heard_at timestamptz,
    -- Why the last listener ended, a word of ours; and how many ended so in a row.
    trouble text CHECK (length(trouble) <= 100),
    failures integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, property_id, vendor),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties
);
CALL protect_tenant_table('vendor_streams', 'SELECT, INSERT, UPDATE');
GRANT SELECT ON vendor_streams TO lock_app_ro, lock_auditor;
