-- versions.sql: which version of an agent new runs take, and open runs that change theirs.

-- name: plan_source_put
-- params: tenant int4, hash bytea[], agent text[], version text[], manifest jsonb[], source text[], by text[]
INSERT INTO plan_source (tenant_id, hash, agent, version, manifest, source, published_by)
SELECT $1, r.hash, r.agent, r.version, r.manifest, r.source, r.by
  FROM unnest($2::bytea[], $3::text[], $4::text[], $5::jsonb[], $6::text[], $7::text[])
       AS r(hash, agent, version, manifest, source, by)
    ON CONFLICT (tenant_id, hash) DO NOTHING;

-- name: agent_activate
-- A canary ends with it: whoever activates has decided.  An owner of NULL: it keeps the one it has; a new agent
-- belongs to whoever activates it.
-- params: tenant int4, name text[], hash bytea[], owner text[], what text[], by text[]
WITH asked AS (SELECT r.name, r.hash, r.owner, r.what, r.by
                 FROM unnest($2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[])
                      AS r(name, hash, owner, what, by)),
noted AS (
    INSERT INTO agent_change (tenant_id, agent, what, hash, before, by)
    SELECT $1, q.name, q.what, q.hash, a.active_hash, q.by
      FROM asked q LEFT JOIN agent a ON a.tenant_id = $1 AND a.name = q.name)
INSERT INTO agent (tenant_id, name, active_hash, owner)
SELECT $1, q.name, q.hash, coalesce(q.owner, a.owner, q.by)
  FROM asked q LEFT JOIN agent a ON a.tenant_id = $1 AND a.name = q.name
    ON CONFLICT (tenant_id, name) DO UPDATE
   SET active_hash = excluded.active_hash, owner = excluded.owner, enabled = true, canary_hash = NULL, canary_percent = NULL;

-- name: agent_canary_set
-- 0 per cent: no canary any more.  An owner of NULL: it keeps the one it has.
-- params: tenant int4, name text[], hash bytea[], percent int4[], owner text[], by text[]
WITH asked AS (SELECT r.name, r.hash, nullif(r.percent, 0) AS percent, r.owner, r.by
                 FROM unnest($2::text[], $3::bytea[], $4::int4[], $5::text[], $6::text[])
                      AS r(name, hash, percent, owner, by)),
noted AS (
    INSERT INTO agent_change (tenant_id, agent, what, hash, before, percent, by)
    SELECT $1, q.name, 'canary', q.hash, a.active_hash, q.percent, q.by
      FROM asked q JOIN agent a ON a.tenant_id = $1 AND a.name = q.name)
UPDATE agent a
   SET canary_hash = CASE WHEN q.percent IS NULL THEN NULL ELSE q.hash END, canary_percent = q.percent,
       owner = coalesce(q.owner, a.owner)
  FROM asked q WHERE a.tenant_id = $1 AND a.name = q.name;

-- name: run_migrate
-- Open runs that go on with another version.  `seq` is the journal entry after those that were replayed: it
-- takes the note about the change, and where the run has written an entry there meanwhile, the run stays as
-- it is.  A run that moves just now is left alone too.  An actor that still has the old version in its memory
-- cannot write any more: its next entry has the number of the note.
-- params: tenant int4, run int8[], seq int4[], hash bytea[], by text[]
WITH asked AS (SELECT r.run, r.seq, r.hash, r.by
                 FROM unnest($2::int8[], $3::int4[], $4::bytea[], $5::text[]) AS r(run, seq, hash, by)),
still AS (
    SELECT x.id, q.seq, q.hash, q.by, x.plan_hash
      FROM asked q JOIN run x ON x.tenant_id = $1 AND x.id = q.run
     WHERE x.status IN ('created', 'waiting') AND x.plan_hash <> q.hash
     ORDER BY x.id
       FOR UPDATE OF x),
noted AS (
    INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)
    SELECT $1, s.id, s.seq, 12, 'version', substr(sha256(s.hash), 1, 16),
           '\x01'::bytea || convert_to(jsonb_build_object('from', encode(s.plan_hash, 'hex'),
                'plan', encode(s.hash, 'hex'), 'version', p.version, 'by', s.by)::text, 'UTF8')
      FROM still s JOIN plan_source p ON p.tenant_id = $1 AND p.hash = s.hash
        ON CONFLICT (run_id, seq) DO NOTHING
    RETURNING run_id)
UPDATE run x SET plan_hash = s.hash
  FROM still s JOIN noted n ON n.run_id = s.id
 WHERE x.tenant_id = $1 AND x.id = s.id;

-- name: agents_active
-- params: tenant int4
SELECT a.name, a.active_hash, p.manifest, a.owner,
       CASE WHEN c.hash IS NOT NULL THEN jsonb_build_object('hash', encode(c.hash, 'hex'),
            'percent', a.canary_percent, 'manifest', c.manifest) END
  FROM agent a JOIN plan_source p ON p.tenant_id = a.tenant_id AND p.hash = a.active_hash
  LEFT JOIN plan_source c ON c.tenant_id = a.tenant_id AND c.hash = a.canary_hash
 WHERE a.tenant_id = $1 AND a.enabled
 ORDER BY a.name;

-- name: agent_state
-- What is active, what is tried, and what a rollback would bring back: the version before the newest change that
-- made the active one active, other rollbacks not counted.
-- params: tenant int4, name text
SELECT encode(a.active_hash, 'hex'), p.version, encode(a.canary_hash, 'hex'), a.canary_percent, a.owner,
       (SELECT encode(c.before, 'hex') FROM agent_change c
         WHERE c.tenant_id = $1 AND c.agent = $2 AND c.hash = a.active_hash AND c.before <> c.hash
           AND c.what IN ('publish', 'activate', 'promote')
         ORDER BY c.id DESC LIMIT 1)
  FROM agent a JOIN plan_source p ON p.tenant_id = a.tenant_id AND p.hash = a.active_hash
 WHERE a.tenant_id = $1 AND a.name = $2;

-- name: agent_version_find
-- By the version's text or the beginning of its hash.
-- params: tenant int4, name text, word text
SELECT encode(p.hash, 'hex'), p.version, p.source
  FROM plan_source p
 WHERE p.tenant_id = $1 AND p.agent = $2
   AND (p.version = $3 OR ($3 ~ '^[0-9a-f]{6,64}$' AND starts_with(encode(p.hash, 'hex'), $3)))
 ORDER BY p.published_at DESC;

-- name: agent_versions
-- params: tenant int4, name text
SELECT p.version, left(encode(p.hash, 'hex'), 12) AS hash,
       CASE WHEN p.hash = a.active_hash THEN 'active'
            WHEN p.hash = a.canary_hash THEN 'canary ' || a.canary_percent || '%' END AS state,
       coalesce(r.open, 0) AS open, coalesce(r.done, 0) AS done, coalesce(r.failed, 0) AS failed,
       to_char(p.published_at, 'YYYY-MM-DD HH24:MI') AS published, p.published_by AS by,
       (SELECT c.what || ' by ' || c.by || ' ' || to_char(c.at, 'YYYY-MM-DD HH24:MI:SS') FROM agent_change c
         WHERE c.tenant_id = $1 AND c.agent = $2 AND c.hash = p.hash ORDER BY c.id DESC LIMIT 1) AS last_change
  FROM plan_source p
  LEFT JOIN agent a ON a.tenant_id = $1 AND a.name = $2
  LEFT JOIN (SELECT x.plan_hash,
                    count(*) FILTER (WHERE x.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')) AS open,
                    count(*) FILTER (WHERE x.status = 'done') AS done,
                    count(*) FILTER (WHERE x.status IN ('failed', 'diverged')) AS failed
               FROM run x WHERE x.tenant_id = $1 AND x.agent = $2 GROUP BY x.plan_hash) AS r ON r.plan_hash = p.hash
 WHERE p.tenant_id = $1 AND p.agent = $2
 ORDER BY p.published_at DESC, p.hash;

-- name: runs_open_of
-- params: tenant int4, agent text
SELECT r.id, r.plan_hash FROM run r
 WHERE r.tenant_id = $1 AND r.agent = $2
   AND r.status NOT IN ('done', 'failed', 'cancelled', 'compensated', 'diverged')
 ORDER BY r.id;

-- name: runs_dry_heads
-- params: tenant int4, runs int8[]
SELECT r.id, r.status, r.agent, i.input, r.created_at, r.depth, coalesce(r.parent, 0), i.budget,
       EXISTS (SELECT FROM run_update u JOIN run_signal s ON s.tenant_id = $1 AND s.run_id = r.id AND s.id = u.signal
                WHERE u.tenant_id = $1 AND u.run_id = r.id AND s.consumed_seq IS NULL)
  FROM unnest($2::int8[]) AS q(id)
  JOIN run r ON r.tenant_id = $1 AND r.id = q.id
 CROSS JOIN LATERAL run_given($1, r.id, r.input) AS i
 ORDER BY r.id;

-- name: runs_dry_steps
-- From the newest checkpoint on, as run_steps: a run that goes on begins there.
-- params: tenant int4, runs int8[]
SELECT j.run_id, j.seq, j.kind, j.name, j.digest,
       CASE WHEN get_byte(j.out, 0) = 2 THEN reeve_journal_out(j.tenant_id, j.out) ELSE j.out END
  FROM unnest($2::int8[]) AS q(id)
 CROSS JOIN LATERAL (SELECT coalesce(max(c.seq), 0) AS first FROM journal c
                      WHERE c.tenant_id = $1 AND c.run_id = q.id AND c.kind = 20) AS b
  JOIN journal j ON j.tenant_id = $1 AND j.run_id = q.id AND j.seq >= b.first
 ORDER BY j.run_id, j.seq;

-- name: runs_with_plan
-- How many of these runs have that version by now.
-- params: tenant int4, runs int8[], hash bytea
SELECT count(*) FROM unnest($2::int8[]) AS q(id)
  JOIN run r ON r.tenant_id = $1 AND r.id = q.id AND r.plan_hash = $3;
