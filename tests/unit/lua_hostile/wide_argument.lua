-- plan ends: too much text
-- one text, named ten thousand times
local s, t = ("x"):rep(100000), {}
for i = 1, 9000 do t[i] = s end
erp.find("invoice", { list = t })
