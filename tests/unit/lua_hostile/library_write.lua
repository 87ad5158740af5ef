-- plan ends: string.rep cannot be assigned
string.rep = nil
