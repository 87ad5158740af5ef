-- project_exception.sql: exceptions as found, closed and answered.

-- name: project_exceptions_detected
-- body: {raised: [row ...], closed: [key ...]}.  What comes back after it had closed itself, or whose
-- snooze is over, opens again under the same key; what is open and has new evidence stays where it was.
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.seq, e.occurred, e.body
      FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), closed AS (
    UPDATE exception x SET state = 'auto_closed', closed_on = e.occurred, snoozed_until = NULL
      FROM e CROSS JOIN LATERAL jsonb_array_elements_text(e.body->'closed') AS c(key)
     WHERE x.tenant_id = $1 AND x.key = decode(c.key, 'hex') AND x.state IN ('open', 'snoozed')
)
INSERT INTO exception (tenant_id, key, type, subject, rule_version, resource, party, summary, evidence,
                       money, currency, tier, state, opened_seq, found_seq, opened_on, sla_on, version)
SELECT $1, decode(r.key, 'hex'), r.type, r.subject, r.rule_version, r.resource, r.party, r.summary, r.evidence,
       r.money, r.currency, r.tier, 'open', e.seq * 4096 + r.place, e.seq, e.occurred, e.occurred + r.sla_days, 0
  FROM e CROSS JOIN LATERAL ROWS FROM (jsonb_to_recordset(e.body->'raised') AS (
           key text, type text, subject text, rule_version int, resource text, party bigint, summary text,
           evidence jsonb, money bigint, currency text, tier smallint, sla_days int)) WITH ORDINALITY
           AS r(key, type, subject, rule_version, resource, party, summary, evidence, money, currency, tier,
                sla_days, place)
    ON CONFLICT (tenant_id, key) DO UPDATE
   SET state = 'open', summary = excluded.summary, evidence = excluded.evidence, money = excluded.money,
       found_seq = excluded.found_seq, closed_on = NULL, snoozed_until = NULL,
       opened_seq = CASE exception.state WHEN 'open' THEN exception.opened_seq ELSE excluded.opened_seq END,
       opened_on = CASE exception.state WHEN 'open' THEN exception.opened_on ELSE excluded.opened_on END,
       sla_on = CASE exception.state WHEN 'open' THEN exception.sla_on ELSE excluded.sla_on END
 WHERE exception.state <> 'resolved'; -- what people answered in the same moment stands

-- name: project_exception_resolved
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
UPDATE exception x SET state = 'resolved', resolution = e.body->>'resolution', resolved_by = e.body->>'by',
       closed_on = e.occurred, snoozed_until = NULL, version = x.version + 1
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 WHERE x.tenant_id = $1 AND x.key = decode(e.body->>'key', 'hex');

-- name: project_exception_snoozed
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
UPDATE exception x SET state = 'snoozed', snoozed_until = (e.body->>'until')::date, version = x.version + 1
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 WHERE x.tenant_id = $1 AND x.key = decode(e.body->>'key', 'hex');

-- name: project_exception_reopened
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
UPDATE exception x SET state = 'open', snoozed_until = NULL, resolution = NULL, resolved_by = NULL,
       closed_on = NULL, version = x.version + 1
  FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
 WHERE x.tenant_id = $1 AND x.key = decode(e.body->>'key', 'hex');

-- name: project_exception_noted
-- params: tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]
WITH e AS (
    SELECT e.occurred, e.body
      FROM unnest($2::int8[], $3::text[], $4::date[], $5::jsonb[]) AS e(seq, stream, occurred, body)
), note AS (
    INSERT INTO exception_note (tenant_id, key, version, author, text, noted_on)
    SELECT $1, x.key, x.version + 1, e.body->>'by', e.body->>'text', e.occurred
      FROM e JOIN exception x ON x.tenant_id = $1 AND x.key = decode(e.body->>'key', 'hex')
)
UPDATE exception x SET version = x.version + 1
  FROM e
 WHERE x.tenant_id = $1 AND x.key = decode(e.body->>'key', 'hex');
