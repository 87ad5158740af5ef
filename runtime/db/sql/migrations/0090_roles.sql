-- 0090_roles: everything belongs to reeve_owner, as whom nobody logs in; the run-time login is a member of
-- reeve_app and of nothing else.  The migrator has become the owner before this runs (roles.sql) and derives
-- the grants after it (security.sql); here is only what holds for the things that the owner makes later.

-- a new function is for nobody until it is granted
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
