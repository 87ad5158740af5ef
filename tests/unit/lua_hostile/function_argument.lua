-- plan ends: field "a.b" is a function
ctx:plan():add("invoice.hold", { a = { b = pcall } }, { reason = "r" })
