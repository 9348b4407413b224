-- Stays of a sandbox whose workflow has not heard of the test clock yet can be told apart.
SET LOCAL lock_timeout = '10s';

-- The offset that the stay's workflow was told last.
ALTER TABLE stays ADD COLUMN clock_told_ms bigint NOT NULL DEFAULT 0 CHECK (clock_told_ms >= 0);
