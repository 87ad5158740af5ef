-- plan ends: malformed pattern
local x = ("x"):find("%")
