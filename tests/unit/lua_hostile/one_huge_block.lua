-- plan ends: limit "memory"
local t = {}
for i = 1, 200000 do t[i] = i end
