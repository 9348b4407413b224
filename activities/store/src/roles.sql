-- The roles of the cluster. Roles belong to no database, so several databases may be set up at the same time: whoever loses the race to
-- create one is content that it is there.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['lock_owner', 'lock_app_rw', 'lock_app_ro', 'lock_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
    -- Who creates a role may not act as it at once (PostgreSQL 16 and later), unless it is a superuser.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT lock_owner TO %I', current_user);
    END IF;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO lock_app_rw, lock_app_ro, lock_auditor', current_database());
    EXECUTE format('GRANT CONNECT, CREATE ON DATABASE %I TO lock_owner', current_database());
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT USAGE, CREATE ON SCHEMA public TO lock_owner;
    GRANT USAGE ON SCHEMA public TO lock_app_rw, lock_app_ro, lock_auditor;
END $$;
