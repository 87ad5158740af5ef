-- plan ends: U+0000
erp.find("invoice", { ["a\0b"] = 1 })
