-- plan ends: gsub: "%" in the replacement
local x = ("x"):gsub("x", "%2")
