-- plan ends: limit "instructions"
while true do pcall(string.rep, "x", 250000) end
