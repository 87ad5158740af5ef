-- plan ends: limit "instructions"
for x in ("a"):rep(3000):gmatch("a-a-a-a-b") do end
