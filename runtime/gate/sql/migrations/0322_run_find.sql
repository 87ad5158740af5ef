-- 0322_run_find: the function of 0290, which asks the indexes of 0320 in their order.

--   waiting_on  approval (person), timer, signal, run (child), effect, intent, budget, lock, slot, rate; else a role
CREATE OR REPLACE FUNCTION run_find(of_tenant int, filter jsonb, most int) RETURNS SETOF bigint LANGUAGE plpgsql STABLE AS
$f$
DECLARE
    word   text := nullif(filter->>'status', '');
    kind   text := nullif(filter->>'waiting_on', '');
    who    text := nullif(filter->>'role', '');
    closed constant text := '(''done'', ''failed'', ''cancelled'', ''compensated'', ''diverged'')';
    rows   text := 'run r';
    rule   text := 'r.tenant_id = $1';
    late   text := 'r.id DESC'; -- the order: by number, or the same by way of an index over spans
BEGIN
    IF word = 'people' THEN
        word := NULL;
        kind := coalesce(kind, 'approval');
    END IF;
    kind := CASE kind WHEN 'person' THEN 'approval' WHEN 'people' THEN 'approval' WHEN 'child' THEN 'run' ELSE kind END;
    IF kind NOT IN ('approval', 'timer', 'signal', 'run', 'effect', 'intent', 'budget', 'lock', 'slot', 'rate') THEN
        who := coalesce(who, kind);
        kind := 'approval';
    END IF;
    IF word = 'stuck' THEN
        rows := 'run_stuck($1) AS k JOIN run r ON r.id = k.id';
    ELSIF who IS NOT NULL THEN
        rows := '(SELECT DISTINCT w.run_id FROM approval_wait w WHERE w.tenant_id = $1 AND w.role = $3
                     AND ($8::bigint IS NULL OR w.run_id < $8) ORDER BY w.run_id DESC) AS k JOIN run r ON r.id = k.run_id';
    END IF;
    IF word = 'stuck' AND who IS NOT NULL THEN
        rule := rule || ' AND EXISTS (SELECT FROM approval_wait w WHERE w.tenant_id = $1 AND w.role = $3 AND w.run_id = r.id)';
    END IF;
    rule := rule || CASE
        WHEN word IS NULL OR word = 'stuck' THEN ''
        WHEN word = 'open' THEN ' AND r.status NOT IN ' || closed
        WHEN word = 'over' THEN ' AND r.status IN ' || closed
        WHEN word = 'retrying' THEN ' AND r.attempt > 0 AND r.status NOT IN ' || closed
        WHEN word IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
            THEN ' AND r.status IN ' || closed || ' AND r.status = $2'
        ELSE ' AND r.status = $2' END;
    IF kind IS NOT NULL OR who IS NOT NULL THEN
        rule := rule || ' AND r.status = ''waiting'' AND r.waiting_on = $4';
        kind := coalesce(kind, 'approval');
    END IF;
    IF nullif(filter->>'agent', '') IS NOT NULL THEN
        rule := rule || ' AND r.agent = $5';
    END IF;
    IF nullif(filter->>'key', '') IS NOT NULL THEN -- what row security lets an index answer
        rule := rule || ' AND r.business_key ~>=~ $6 AND r.business_key ~<~ ($6 || chr(1114111))';
    END IF;
    IF nullif(filter->>'error', '') IS NOT NULL THEN
        rule := rule || ' AND r.error_code = $7';
    END IF;
    IF (filter->>'below')::bigint IS NOT NULL THEN
        rule := rule || ' AND r.id < $8';
    END IF;
    IF word IS DISTINCT FROM 'stuck' AND word IS DISTINCT FROM 'over' AND word IS DISTINCT FROM 'retrying' AND who IS NULL
       AND nullif(filter->>'key', '') IS NULL AND nullif(filter->>'error', '') IS NULL
       AND (word IS NOT NULL OR kind IS NOT NULL OR nullif(filter->>'agent', '') IS NOT NULL) THEN
        late := 'r.span DESC, r.id DESC';
        IF (filter->>'below')::bigint IS NOT NULL THEN
            rule := rule || ' AND r.span <= run_span($8)';
        END IF;
    END IF;
    IF coalesce((filter->>'older')::bigint, 0) > 0 THEN
        rule := rule || ' AND r.created_at < (SELECT clock_timestamp()) - make_interval(secs => $9)';
    END IF;
    IF jsonb_typeof(filter->'runs') = 'array' THEN
        rule := rule || ' AND r.id = ANY (ARRAY(SELECT x::bigint FROM jsonb_array_elements_text($10) AS x))';
    END IF;
    RETURN QUERY EXECUTE 'SELECT r.id FROM ' || rows || ' WHERE ' || rule || ' ORDER BY ' || late || ' LIMIT $11'
        USING of_tenant, word, who, kind, filter->>'agent', filter->>'key', filter->>'error',
              (filter->>'below')::bigint, (filter->>'older')::bigint, filter->'runs', most;
END $f$;
