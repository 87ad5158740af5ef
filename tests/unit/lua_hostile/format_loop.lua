-- plan ends: limit
while true do local x = ("%99.99f"):format(1e300) end
