-- plan ends: stack overflow
-- a callback inside a callback: C calls are limited
local function f(x) return (x:gsub(".", f)) end
f("a")
