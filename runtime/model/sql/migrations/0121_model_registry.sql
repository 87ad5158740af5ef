-- 0121_model_registry: which model answers.  A version of a model is a file with its hash, and the operator's;
-- whether a company tries another one than all the others (canary) is that company's, and so is an adapter.

CREATE TABLE model_version (
    name           text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$' AND name <> 'reeve'),
    version        int  NOT NULL CHECK (version > 0),
    path           text NOT NULL,
    sha256         text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    bytes          bigint NOT NULL,
    state          text NOT NULL DEFAULT 'candidate' CHECK (state IN ('candidate', 'canary', 'active', 'retired')),
    before_name    text,                          -- what was active before this: where a rollback goes;
    before_version int,                           -- NULL: the setting model.path
    loaded_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    loaded_by      text NOT NULL,
    changed_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by     text NOT NULL,
    PRIMARY KEY (name, version),
    FOREIGN KEY (before_name, before_version) REFERENCES model_version
);
CREATE UNIQUE INDEX model_active ON model_version ((true)) WHERE state = 'active'; -- one answers everybody

CREATE TABLE model_canary (
    tenant_id int PRIMARY KEY REFERENCES tenant,
    name text NOT NULL, version int NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    person text NOT NULL,
    FOREIGN KEY (name, version) REFERENCES model_version
);

CREATE TABLE model_adapter (
    tenant_id int NOT NULL REFERENCES tenant,
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,31}$'),
    path text NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    loaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    loaded_by text NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- What a node must serve: tenant 0 is everybody, a row of a company goes before it.
CREATE FUNCTION reeve_model_serving() RETURNS TABLE (tenant_id int, name text, version int, path text, sha256 text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT 0, m.name, m.version, m.path, m.sha256 FROM model_version m WHERE m.state = 'active'
    UNION ALL
    SELECT c.tenant_id, m.name, m.version, m.path, m.sha256
      FROM model_canary c JOIN model_version m USING (name, version)
    ORDER BY 1
$$;

CREATE FUNCTION reeve_model_canaries(of_name text, of_version int) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    SELECT coalesce(array_agg(t.name ORDER BY t.name), '{}')
      FROM model_canary c JOIN tenant t USING (tenant_id)
     WHERE c.name = of_name AND c.version = of_version
$$;

-- A version that no company tries any more is a candidate again.
CREATE FUNCTION reeve_model_settle(who text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
    UPDATE model_version m SET state = 'candidate', changed_at = clock_timestamp(), changed_by = who
     WHERE m.state = 'canary'
       AND NOT EXISTS (SELECT FROM model_canary c WHERE c.name = m.name AND c.version = m.version)
$$;

-- The company is the transaction's; no row: there is no such version, or it answers that company already.
CREATE FUNCTION reeve_model_try(of_name text, of_version int, who text) RETURNS TABLE (model text, hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    company int := nullif(current_setting('reeve.tenant', true), '')::int;
    target model_version;
BEGIN
    LOCK TABLE model_version IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO target FROM model_version m WHERE m.name = of_name AND m.version = of_version;
    IF NOT FOUND OR target.state = 'active' OR company IS NULL
       OR EXISTS (SELECT FROM model_canary c
                   WHERE c.tenant_id = company AND c.name = of_name AND c.version = of_version) THEN
        RETURN;
    END IF;
    INSERT INTO model_canary (tenant_id, name, version, person) VALUES (company, of_name, of_version, who)
        ON CONFLICT (tenant_id) DO UPDATE
        SET name = excluded.name, version = excluded.version, person = excluded.person, since = clock_timestamp();
    UPDATE model_version m SET state = 'canary', changed_at = clock_timestamp(), changed_by = who
     WHERE m.name = of_name AND m.version = of_version;
    PERFORM reeve_model_settle(who);
    RETURN QUERY SELECT target.name || '@' || target.version, target.sha256;
END $$;

CREATE FUNCTION reeve_model_try_end(of_name text, of_version int, who text) RETURNS TABLE (model text, hash text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    company int := nullif(current_setting('reeve.tenant', true), '')::int;
BEGIN
    LOCK TABLE model_version IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM model_canary c WHERE c.tenant_id = company AND c.name = of_name AND c.version = of_version;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM reeve_model_settle(who);
    RETURN QUERY SELECT m.name || '@' || m.version, m.sha256 FROM model_version m
                  WHERE m.name = of_name AND m.version = of_version;
END $$;

-- Companies that tried this version go with all the others; those that try another one stay with it.  To promote
-- what the active version came from is to go back to it.
CREATE FUNCTION reeve_model_promote(of_name text, of_version int, who text)
RETURNS TABLE (model text, hash text, before text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    target model_version;
    old model_version;
    on_way boolean; -- back from the active one: it keeps its own way, or the way would go in a circle
BEGIN
    LOCK TABLE model_version IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO target FROM model_version m WHERE m.name = of_name AND m.version = of_version;
    IF NOT FOUND OR target.state = 'active' THEN
        RETURN;
    END IF;
    SELECT * INTO old FROM model_version m WHERE m.state = 'active';
    UPDATE model_version m SET state = 'retired', changed_at = clock_timestamp(), changed_by = who
     WHERE m.state = 'active';
    on_way := EXISTS (
        WITH RECURSIVE way AS (
            SELECT old.before_name AS name, old.before_version AS version
             UNION
            SELECT m.before_name, m.before_version
              FROM way w JOIN model_version m ON m.name = w.name AND m.version = w.version)
        SELECT FROM way w WHERE w.name = of_name AND w.version = of_version);
    UPDATE model_version m SET state = 'active',
           before_name = CASE WHEN on_way THEN m.before_name ELSE old.name END,
           before_version = CASE WHEN on_way THEN m.before_version ELSE old.version END,
           changed_at = clock_timestamp(), changed_by = who
     WHERE m.name = of_name AND m.version = of_version;
    DELETE FROM model_canary c WHERE c.name = of_name AND c.version = of_version;
    RETURN QUERY SELECT target.name || '@' || target.version, target.sha256,
                        coalesce(old.name || '@' || old.version, 'model.path');
END $$;

-- Back to what was active before the active version; each step is taken once, so that a second rollback goes
-- further back and never to what was just left.
CREATE FUNCTION reeve_model_rollback(of_name text, who text)
RETURNS TABLE (model text, hash text, from_model text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
$$
DECLARE
    bad model_version;
    good model_version;
BEGIN
    LOCK TABLE model_version IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO bad FROM model_version m WHERE m.state = 'active' AND m.name = of_name;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE model_version m SET state = 'retired', before_name = NULL, before_version = NULL,
           changed_at = clock_timestamp(), changed_by = who
     WHERE m.name = bad.name AND m.version = bad.version;
    UPDATE model_version m SET state = 'active', changed_at = clock_timestamp(), changed_by = who
     WHERE m.name = bad.before_name AND m.version = bad.before_version
    RETURNING * INTO good;
    DELETE FROM model_canary c WHERE c.name = good.name AND c.version = good.version;
    RETURN QUERY SELECT coalesce(good.name || '@' || good.version, 'model.path'), coalesce(good.sha256, ''),
                        bad.name || '@' || bad.version;
END $$;
