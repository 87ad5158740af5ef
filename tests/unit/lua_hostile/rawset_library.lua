-- plan ends: unknown name "rawset"
rawset(string, "rep", nil)
