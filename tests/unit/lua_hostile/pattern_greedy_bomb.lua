-- plan ends: limit "instructions"
local x = ("a"):rep(5000):match("(.*)(.*)(.*)(.*)b")
