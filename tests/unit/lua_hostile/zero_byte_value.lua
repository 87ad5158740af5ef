-- plan ends: not valid UTF-8
erp.find("invoice", { number = "a\0b" })
