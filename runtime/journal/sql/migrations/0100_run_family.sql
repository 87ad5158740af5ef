-- 0100_run_family: runs that were started by runs.
--   close   what becomes of the run when its parent ends: cancel | abandon | wait; handoff: it goes on in
--           the parent's place
--   claims  whether the run itself holds the claim on its business key; a child works under the claim of
--           a run above it, and gets it when that one ends (statement run_claim_pass)
ALTER TABLE run ADD COLUMN close text CHECK (close IN ('cancel', 'abandon', 'wait', 'handoff'));
ALTER TABLE run ADD COLUMN claims boolean NOT NULL DEFAULT true;
CREATE INDEX run_children ON run (tenant_id, parent) WHERE parent IS NOT NULL;
CREATE INDEX run_shared ON run (tenant_id, business_key, id)
    WHERE NOT claims AND status NOT IN ('done','failed','cancelled','compensated','diverged');
DROP INDEX run_claim;
CREATE UNIQUE INDEX run_claim ON run (tenant_id, business_key)
    WHERE business_key IS NOT NULL AND claims
      AND status NOT IN ('done','failed','cancelled','compensated','diverged');
