-- plan ends: limit "instructions"
while true do end
