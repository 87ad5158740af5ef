-- plan ends: rep: the text would be longer
local s = ("x"):rep(1 << 40)
