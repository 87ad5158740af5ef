-- plan ends: limit "instructions"
while true do
  pcall(string.find, ("a"):rep(300), ".-.-.-.-.-b$")
end
