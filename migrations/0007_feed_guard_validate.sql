-- Old rows meet the wider list of statuses. This lock lets readers and writers through.
SET LOCAL lock_timeout = '10s';

ALTER TABLE commands VALIDATE CONSTRAINT commands_status_check;
