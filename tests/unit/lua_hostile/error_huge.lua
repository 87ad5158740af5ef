-- plan ends: xxxxxxxx
error(("x"):rep(250000), 0)
