-- plan ends: limit "instructions"
local x = ("a"):rep(3000):gsub("a*a*a*b", "")
