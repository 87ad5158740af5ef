-- plan ends: longer than 256
local x = ("x"):find(("a?"):rep(1000))
