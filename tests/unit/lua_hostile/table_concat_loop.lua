-- plan ends: limit "instructions"
local t = {}
for i = 1, 16000 do t[i] = "" end
while true do table.concat(t) end
