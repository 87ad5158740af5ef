-- plan ends: limit "cpu"
-- one instruction that compares a quarter of a megabyte, and nothing is allocated: the watchdog
local a, b = ("x"):rep(250000) .. "a", ("x"):rep(250000) .. "a"
while true do if a ~= b then break end end
