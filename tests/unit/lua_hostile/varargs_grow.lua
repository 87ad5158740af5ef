-- plan ends: limit
-- each call copies all arguments of the last
local function f(...) return select("#", ...) end
local function g(n, ...)
  if n == 0 then while true do f(...) end end
  return g(n - 1, 1, ...)
end
g(2000)
