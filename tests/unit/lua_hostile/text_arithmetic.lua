-- plan ends: attempt to perform arithmetic
local x = "10" + 1
