-- plan ends: limit "instructions"
-- one instruction that copies two hundred kilobytes
local s = ("x"):rep(200000)
while true do local t = s .. "y" end
