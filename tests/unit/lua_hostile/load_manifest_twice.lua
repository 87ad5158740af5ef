-- load ends: field "uses"
return { name = "a", version = "1", handles = {}, uses = { "invoice.hold", "invoice.hold" },
  plan = function() end }
