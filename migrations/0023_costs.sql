-- What lock vendors cost: their calls by day, and their prices.
SET LOCAL lock_timeout = '10s';

-- Added up by workers now and then. No row of it belongs to a guest.
CREATE TABLE vendor_calls_daily (
    tenant_id uuid NOT NULL,
    property_id uuid NOT NULL,
    vendor text NOT NULL,
    -- In the property's time zone.
    day date NOT NULL,
    verb text NOT NULL CHECK (length(verb) BETWEEN 1 AND 100),
    outcome text NOT NULL CHECK (outcome IN ('ok', 'retryable', 'permanent', 'unconfirmed')),
    is_retry boolean NOT NULL,
    calls bigint NOT NULL CHECK (calls >= 0),
    PRIMARY KEY (tenant_id, property_id, vendor, day, verb, outcome, is_retry),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties
);
CALL protect_tenant_table('vendor_calls_daily', 'SELECT, INSERT, UPDATE');

CREATE TABLE vendor_prices (
    tenant_id uuid NOT NULL REFERENCES tenants,
    vendor text NOT NULL CHECK (length(vendor) BETWEEN 1 AND 60),
    valid_from date NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    -- Millionths of the currency's unit: for a call, for a key and for a door by the month.
    rates jsonb NOT NULL,
    set_at timestamptz NOT NULL,
    set_by uuid NOT NULL,
    PRIMARY KEY (tenant_id, vendor, valid_from)
);
CALL protect_tenant_table('vendor_prices', 'SELECT, INSERT, UPDATE');

GRANT SELECT ON vendor_calls_daily, vendor_prices TO lock_app_ro, lock_auditor;
