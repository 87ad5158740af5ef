-- plan ends: limit "instructions"
for i = 1.0, math.huge do end
