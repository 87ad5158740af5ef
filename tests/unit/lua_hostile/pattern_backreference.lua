-- plan ends: limit "instructions"
local x = ("ab"):rep(2000):find("(.+)(.+)%2%1%1c")
