-- plan ends: limit "instructions"
local s = ("x"):rep(250000)
while true do s:find("xy", 1, true) end
