-- plan ends: unpack: more than 200
local t = {}
for i = 1, 16000 do t[i] = i end
math.max(table.unpack(t))
