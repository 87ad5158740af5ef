-- plan ends: global "x" assigned: declare it local
x = 1
