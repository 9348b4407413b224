-- Old rows are guests' stays, with one of the older causes. This lock lets readers and writers through.
SET LOCAL lock_timeout = '10s';

ALTER TABLE stays VALIDATE CONSTRAINT stays_cause_check;
ALTER TABLE stays VALIDATE CONSTRAINT stays_one_shot_purpose;
