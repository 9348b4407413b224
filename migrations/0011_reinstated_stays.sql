-- A reservation whose stay is over may have another one.
SET LOCAL lock_timeout = '10s';

-- The stay that the same reservation had before; NULL for its first.
ALTER TABLE stays ADD COLUMN reinstates uuid;
