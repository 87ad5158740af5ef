-- plan ends: unknown name "load"
load("x = 1")()
