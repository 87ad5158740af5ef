-- plan ends: unpack: more than 200
table.unpack({}, math.mininteger, math.maxinteger)
