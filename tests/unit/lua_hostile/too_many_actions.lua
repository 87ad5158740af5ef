-- plan ends: more than 64 actions
for i = 1, 100 do ctx:plan():add("invoice.hold", {}, { reason = "r" }) end
