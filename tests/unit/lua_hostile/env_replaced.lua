-- plan ends: attempt to call a nil value (global 'erp_get')
-- an own environment is only a table: nothing is reachable through it
local _ENV = {}
erp_get("invoice", 1)
