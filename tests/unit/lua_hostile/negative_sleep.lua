-- plan ends: ctx:sleep: seconds must be an integer
ctx:sleep(-1)
