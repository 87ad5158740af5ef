-- plan ends: got a non-closable value
local x <close> = {}
