-- plan ends: unknown name "setmetatable"
-- a finalizer would run at a moment that nobody knows
setmetatable({}, { __gc = function() while true do end end })
