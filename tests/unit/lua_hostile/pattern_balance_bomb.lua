-- plan ends: limit "instructions"
-- %b runs to the end of the text from every place
while true do
  local x = ("("):rep(60000):find("%b()")
end
