-- load ends: field "limits"
return { name = "a", version = "1", handles = {}, uses = {}, plan = function() end,
  limits = { forever = 1 } }
