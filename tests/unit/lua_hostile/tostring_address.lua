-- plan ends: ends here: table function
error("ends here: " .. tostring({}) .. " " .. tostring(pcall))
