-- plan ends: "%p" is not offered
local x = string.format("%5p", {})
