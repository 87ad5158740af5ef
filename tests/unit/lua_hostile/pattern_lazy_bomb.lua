-- plan ends: limit "instructions"
local x = ("a"):rep(200):find(".-.-.-.-.-.-b$")
