-- plan ends: pairs: a table as a key
local t = {}
t[t] = 1
for k in pairs(t) do end
