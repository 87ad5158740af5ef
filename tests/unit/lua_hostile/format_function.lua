-- plan ends: format: argument 1 is a function
local x = ("%s"):format(pcall)
