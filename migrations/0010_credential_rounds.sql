-- A forgotten twin of an activity must not act on a credential that a later round has acted on.
SET LOCAL lock_timeout = '10s';

-- The highest round of its stay that has looked at it to act.
ALTER TABLE credentials ADD COLUMN round bigint NOT NULL DEFAULT 0 CHECK (round >= 0);
