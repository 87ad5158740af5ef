-- event.sql: the log itself.  Written by the gate only, in the transaction of the command.

-- name: event_append
-- params: tenant int4, seq int8[], stream text[], version int4[], type text[], occurred date[]
-- params+: , recorded timestamptz[], actor text[], command text[], body jsonb[], body_hash bytea[]
-- params+: , hash bytea[]
INSERT INTO event (tenant_id, seq, stream, version, type, occurred_on, recorded_at, actor, command_id,
                   body, body_hash, hash)
SELECT $1, r.*
  FROM unnest($2::int8[], $3::text[], $4::int4[], $5::text[], $6::date[], $7::timestamptz[], $8::text[],
              $9::text[], $10::jsonb[], $11::bytea[], $12::bytea[]) AS r;

-- name: command_log_append
-- params: tenant int4, command text[], name text[], args_hash bytea[], outcome text[], first int8[]
-- params+: , last int8[], answer jsonb[]
INSERT INTO command_log (tenant_id, command_id, name, args_hash, outcome, first_seq, last_seq, answer)
SELECT $1, r.command, r.name, r.args_hash, r.outcome, nullif(r.first, 0), nullif(r.last, 0),
       coalesce(r.answer, '{}')
  FROM unnest($2::text[], $3::text[], $4::bytea[], $5::text[], $6::int8[], $7::int8[], $8::jsonb[])
       AS r(command, name, args_hash, outcome, first, last, answer);

-- name: command_log_load
-- params: tenant int4, unit int4[], args jsonb[]
SELECT u.unit, jsonb_build_object('outcome', c.outcome, 'answer', c.answer, 'name', c.name,
                                  'args_hash', encode(c.args_hash, 'hex'),
                                  'first', c.first_seq, 'last', c.last_seq) AS state
  FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args)
  JOIN command_log c ON c.tenant_id = $1 AND c.command_id = u.args->>'command';

-- name: event_read
-- Events in order, after a sequence: verification and replay page through them.
-- params: tenant int4, after int8, limit int4
SELECT e.seq, e.stream, e.version, e.type, e.occurred_on - date '1970-01-01' AS occurred_day,
       e.recorded_at, e.actor, e.command_id, e.body, e.body_hash, e.hash
  FROM event e
 WHERE e.tenant_id = $1 AND e.seq > $2
 ORDER BY e.seq
 LIMIT $3;
