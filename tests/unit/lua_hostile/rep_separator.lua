-- plan ends: rep: the text would be longer
local s = (""):rep(1 << 40, "separator")
