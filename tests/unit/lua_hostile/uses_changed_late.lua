-- plan ends: is not in "uses"
-- the manifest was read once; changing the table afterwards gives no right
agent.uses[2] = "payment.release"
ctx:plan():add("payment.release", { payment = 1 }, { reason = "r" })
