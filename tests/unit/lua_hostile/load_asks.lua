-- load ends: nothing can be asked while the agent loads
local invoice = erp.get("invoice", 1)
return {}
