-- plan ends: must return ctx:plan()
do return { actions = { { action = "payment.release" } } } end
