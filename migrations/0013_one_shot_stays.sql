-- Keys that open a room once are stays of another kind. They claim no room.
SET LOCAL lock_timeout = '10s';

ALTER TABLE stays ADD COLUMN kind text NOT NULL DEFAULT 'guest' CHECK (kind IN ('guest', 'one_shot'));
ALTER TABLE stays ADD COLUMN purpose text CHECK (purpose ~ '^[a-z_]{1,32}$');
ALTER TABLE stays DROP CONSTRAINT stays_cause_check;
-- Wider than the one before, so that old rows fit; the next step says so to the database.
ALTER TABLE stays ADD CONSTRAINT stays_cause_check
    CHECK (cause IN ('checked_out', 'cancelled', 'no_show', 'expired', 'revoked', 'used')) NOT VALID;
ALTER TABLE stays ADD CONSTRAINT stays_one_shot_purpose CHECK ((kind = 'one_shot') = (purpose IS NOT NULL)) NOT VALID;
