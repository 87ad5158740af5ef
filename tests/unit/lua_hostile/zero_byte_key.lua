-- plan ends: zero byte
erp.find("invoice", { ["a\0b"] = 1 })
