-- plan ends: nested too deep
local t = {}
t.t = t
erp.find("invoice", t)
