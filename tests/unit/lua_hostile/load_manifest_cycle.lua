-- load ends: nested too deep
local uses = {}
uses[1] = uses
return { name = "a", version = "1", handles = {}, uses = uses, plan = function() end }
