-- plan ends: limit
while true do pcall(error, ("x"):rep(250000)) end
