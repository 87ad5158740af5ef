-- plan ends: cannot wait inside a sort or gsub
local x = ("abc"):gsub(".", function(c) return erp.get("invoice", c) end)
