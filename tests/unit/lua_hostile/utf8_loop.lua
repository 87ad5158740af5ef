-- plan ends: limit "instructions"
local s = ("x"):rep(250000)
while true do utf8.len(s) end
