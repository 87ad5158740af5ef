-- plan ends: limit "instructions"
local s = ("1"):rep(250000)
while true do tonumber(s) end
