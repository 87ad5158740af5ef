-- plan ends: holds too many values
local t = {}
for i = 1, 12000 do t[i] = i end
erp.find("invoice", { list = t })
