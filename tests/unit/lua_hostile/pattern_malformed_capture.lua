-- plan ends: malformed pattern
local x = ("x"):gsub("(", "y")
