-- plan ends: attempt to index a string value
("x").rep = nil
