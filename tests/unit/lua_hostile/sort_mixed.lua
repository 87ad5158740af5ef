-- plan ends: sort: item 2 is a string
table.sort({ 1, "a" })
