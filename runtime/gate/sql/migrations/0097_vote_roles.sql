-- 0097_vote_roles: one form for the roles of a vote.
--
-- Its column is text: JSON with an array since several roles may have counted, one bare word before.
-- The table only grows, so what is there stays; whoever shows it reads an array here.
CREATE FUNCTION reeve_vote_roles(role text) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path FROM CURRENT AS
$$ SELECT CASE WHEN left(role, 1) = '[' THEN role::jsonb ELSE jsonb_build_array(role) END $$;
