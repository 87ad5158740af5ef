-- plan ends: string.dump is not offered: a plan is one text
string.dump(function() end)
