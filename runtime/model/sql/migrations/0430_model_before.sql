-- 0430_model_before: with what answers comes what answered before it, where a rollback would go: a node that cannot
-- open the file of the active version answers with that.

DROP FUNCTION reeve_model_serving();
CREATE FUNCTION reeve_model_serving()
RETURNS TABLE (tenant_id int, name text, version int, path text, sha256 text, template text, before_name text,
               before_version int, before_path text, before_sha256 text, before_template text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT 0, m.name, m.version, m.path, m.sha256, m.template, b.name, b.version, b.path, b.sha256, b.template
      FROM model_version m LEFT JOIN model_version b ON b.name = m.before_name AND b.version = m.before_version
     WHERE m.state = 'active'
    UNION ALL
    SELECT c.tenant_id, m.name, m.version, m.path, m.sha256, m.template, NULL, NULL, NULL, NULL, NULL
      FROM model_canary c JOIN model_version m USING (name, version)
    ORDER BY 1
$$;
