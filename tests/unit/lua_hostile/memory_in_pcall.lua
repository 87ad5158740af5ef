-- plan ends: limit
-- each failed allocation would collect a full heap; the first is final
local keep = {}
for i = 1, 15000 do keep[i] = { i } end
while true do
  pcall(function()
    local t = {}
    while true do t[#t + 1] = {} end
  end)
end
