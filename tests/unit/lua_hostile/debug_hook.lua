-- plan ends: unknown name "debug"
debug.sethook()
