-- plan ends: limit "instructions"
-- a comparator that always says yes: a merge sort ends all the same
local t = {}
for i = 1, 5000 do t[i] = i end
while true do table.sort(t, function() return true end) end
