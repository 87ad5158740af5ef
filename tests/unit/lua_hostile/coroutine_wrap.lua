-- plan ends: unknown name "coroutine"
-- a coroutine would have a hook of its own
coroutine.wrap(function() while true do end end)()
