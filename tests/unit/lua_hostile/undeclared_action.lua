-- plan ends: is not in "uses"
ctx:plan():add("payment.release", { payment = 1 }, { reason = "r" })
