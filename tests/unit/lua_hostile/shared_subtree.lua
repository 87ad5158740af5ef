-- plan ends: holds too many values
-- doubles at every level
local t = { 1 }
for i = 1, 25 do t = { t, t } end
erp.find("invoice", { tree = t })
