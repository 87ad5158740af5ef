-- plan ends: malformed pattern: more than 32
local x = ("x"):find(("()"):rep(40))
