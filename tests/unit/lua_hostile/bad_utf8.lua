-- plan ends: not valid UTF-8
ctx:note("\xff\xfe")
