-- plan ends: is a fraction
ctx:plan():add("invoice.hold", { amount = 0.1 }, { reason = "r" })
