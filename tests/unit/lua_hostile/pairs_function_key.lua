-- plan ends: pairs: a function as a key
for k in pairs({ [pcall] = 1 }) do end
