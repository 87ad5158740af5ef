-- 0096_admin: one word for one role.  HTTP knew it as "administrator", policies and the command line as
-- "admin"; both words on one person become one.

UPDATE person
   SET roles = array_remove(roles, 'administrator')
               || CASE WHEN 'admin' = ANY (roles) THEN '{}'::text[] ELSE ARRAY['admin'] END
 WHERE 'administrator' = ANY (roles);
