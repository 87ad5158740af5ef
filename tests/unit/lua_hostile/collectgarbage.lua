-- plan ends: unknown name "collectgarbage"
collectgarbage("stop")
