-- 0380_model_template: the chat format that a version was loaded with, where its file does not say one that is known.

ALTER TABLE model_version ADD COLUMN template text NOT NULL DEFAULT ''; -- '': as the file says

DROP FUNCTION reeve_model_serving();
CREATE FUNCTION reeve_model_serving()
RETURNS TABLE (tenant_id int, name text, version int, path text, sha256 text, template text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT 0, m.name, m.version, m.path, m.sha256, m.template FROM model_version m WHERE m.state = 'active'
    UNION ALL
    SELECT c.tenant_id, m.name, m.version, m.path, m.sha256, m.template
      FROM model_canary c JOIN model_version m USING (name, version)
    ORDER BY 1
$$;
