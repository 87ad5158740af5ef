-- load ends: does not return its agent table
local agent = {}
