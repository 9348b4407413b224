-- Tenants, and the helpers that every later table is protected with.
SET LOCAL lock_timeout = '10s';

CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE tenants (
    tenant_id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL DEFAULT now()
);
-- Ids and names only: the loops of relay and dispatcher start from this list, and everything else is behind the tenant's policy.
GRANT SELECT ON tenants TO lock_app_rw, lock_app_ro, lock_auditor;

-- Row security for one table: the tenant of the transaction, and nobody without one. `current_setting` is an empty string after an earlier
-- transaction of the session has set it, and that must not become a cast error.
CREATE PROCEDURE protect_tenant_table(target regclass, app_privileges text) LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format(
        'CREATE POLICY tenant_only ON %s USING (tenant_id = NULLIF(current_setting(''app.tenant_id'', true), '''')::uuid)'
        ' WITH CHECK (tenant_id = NULLIF(current_setting(''app.tenant_id'', true), '''')::uuid)', target);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', target);
    EXECUTE format('GRANT %s ON %s TO lock_app_rw', app_privileges, target);
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

-- The second wall round an append-only table; the first is that the application has no privilege to change it.
CREATE PROCEDURE protect_append_only(target regclass) LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION refuse_change()', target);
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', target);
END $$;

REVOKE ALL ON PROCEDURE protect_tenant_table(regclass, text), protect_append_only(regclass) FROM PUBLIC;
REVOKE ALL ON FUNCTION refuse_change() FROM PUBLIC;
