-- plan ends: unknown name "setmetatable"
setmetatable({}, { __index = function() while true do end end })
