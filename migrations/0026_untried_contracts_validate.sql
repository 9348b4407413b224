-- Without the lock that adding it took: the table may be written meanwhile.
SET LOCAL lock_timeout = '10s';

ALTER TABLE contract_runs VALIDATE CONSTRAINT contract_runs_verdict_check;
