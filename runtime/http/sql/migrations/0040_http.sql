-- 0040_http: the one thing the edge must know before a tenant is known: which number a name has.

CREATE FUNCTION reeve_tenant_id(wanted text) RETURNS int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$ SELECT t.tenant_id FROM tenant t WHERE t.name = wanted $$;

CREATE INDEX web_session_person ON web_session (tenant_id, person);
