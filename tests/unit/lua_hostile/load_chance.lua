-- load ends: there is no chance while the agent loads
local uses = math.random(2) == 1 and { "payment.release" } or {}
return { name = "a", version = "1", handles = {}, uses = uses, plan = function() end }
