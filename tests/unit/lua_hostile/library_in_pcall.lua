-- plan ends: math.floor cannot be assigned
pcall(function() math.floor = nil end)
math.floor = nil
