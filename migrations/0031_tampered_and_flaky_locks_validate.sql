-- Without the locks that adding them took: the tables may be written meanwhile.
SET LOCAL lock_timeout = '10s';

ALTER TABLE device_alerts VALIDATE CONSTRAINT device_alerts_times;
ALTER TABLE device_alerts VALIDATE CONSTRAINT device_alerts_alert_check;
ALTER TABLE maintenance_tasks VALIDATE CONSTRAINT maintenance_tasks_alert_check;
