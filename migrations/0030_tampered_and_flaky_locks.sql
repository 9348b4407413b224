-- Two more troubles of devices: a lock that is tampered with, and one that keeps dropping off.
SET LOCAL lock_timeout = '10s';

ALTER TABLE device_alerts
    -- So often it was seen while it lasts; only the first time is told.
    ADD COLUMN times integer NOT NULL DEFAULT 1,
    -- The latest of those times; NULL if there was one only.
    ADD COLUMN last_at timestamptz,
    ADD CONSTRAINT device_alerts_times CHECK (times >= 1) NOT VALID,
    DROP CONSTRAINT device_alerts_alert_check,
    ADD CONSTRAINT device_alerts_alert_check
        CHECK (alert IN ('clock_drift', 'battery_low', 'offline', 'gateway_offline', 'tampered', 'connection_flaky')) NOT VALID;

ALTER TABLE maintenance_tasks
    DROP CONSTRAINT maintenance_tasks_alert_check,
    ADD CONSTRAINT maintenance_tasks_alert_check
        CHECK (alert IN ('clock_drift', 'battery_low', 'offline', 'gateway_offline', 'tampered', 'connection_flaky')) NOT VALID;

-- When a lock dropped off within the last day, on the property's clock.
ALTER TABLE device_states ADD COLUMN drops timestamptz[] NOT NULL DEFAULT '{}';
