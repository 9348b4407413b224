-- The feed guard: requests that take keys away early are counted, and held for a person when they are too many.
SET LOCAL lock_timeout = '10s';

-- The property's choices; NULL are the defaults.
ALTER TABLE properties ADD COLUMN feed_guard jsonb;
GRANT SELECT (feed_guard) ON properties TO lock_app_ro, lock_auditor;

-- The property's present at which a request was taken that ends keys before their time; NULL for any other, and for one that was approved.
ALTER TABLE commands ADD COLUMN early_at timestamptz;
ALTER TABLE commands DROP CONSTRAINT commands_status_check;
-- Wider than the one before, so that old rows fit; the next step says so to the database.
ALTER TABLE commands ADD CONSTRAINT commands_status_check
    CHECK (status IN ('accepted', 'held', 'running', 'needs_human', 'done', 'failed', 'overtaken')) NOT VALID;
CREATE INDEX commands_early ON commands (tenant_id, property_id, early_at) WHERE early_at IS NOT NULL;
CREATE INDEX commands_held ON commands (tenant_id, property_id, command_id) WHERE status = 'held';
CREATE INDEX commands_held_by_stay ON commands (tenant_id, stay_id) WHERE status = 'held';
