-- plan ends: unknown name "next"
local k = next({ a = 1, b = 2 })
