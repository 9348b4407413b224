-- An API key is looked up on each request, before anything else is known: by one statement instead of a transaction.
SET LOCAL lock_timeout = '10s';

-- With the rights of its caller, so that row security decides as ever; the tenant is set for this statement's transaction only.
CREATE FUNCTION recognise_api_key(wanted_tenant uuid, wanted_key uuid) RETURNS SETOF api_keys
LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM set_config('app.tenant_id', wanted_tenant::text, true);
    RETURN QUERY SELECT * FROM public.api_keys k WHERE k.tenant_id = wanted_tenant AND k.api_key_id = wanted_key;
END $$;
REVOKE ALL ON FUNCTION recognise_api_key(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION recognise_api_key(uuid, uuid) TO lock_app_rw;
