-- plan ends: U+0000
erp.find("invoice", { number = "a\0b" })
