-- plan ends: limit "instructions"
-- sorting ten thousand keys, of which one is used
local t = {}
for i = 1, 10000 do t[i] = i end
while true do for k in pairs(t) do break end end
