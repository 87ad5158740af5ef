-- plan ends: cannot wait inside a sort
table.sort({ 3, 1, 2 }, function(a, b) return erp.get("invoice", a) and a < b end)
