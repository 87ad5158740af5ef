-- plan ends: limit "instructions"
-- every level catches the limit of the one below and goes on
local function deeper(n)
  if n == 0 then while true do end end
  while true do pcall(deeper, n - 1) end
end
deeper(50)
