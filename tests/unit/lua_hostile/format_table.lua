-- plan ends: format: argument 1 is a table
local x = ("%s"):format({})
