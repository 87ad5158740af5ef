-- plan ends: limit "cpu"
local a, b = ("x"):rep(250000) .. "a", ("x"):rep(250000) .. "a"
while true do if a < b then break end end
