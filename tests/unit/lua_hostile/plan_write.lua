-- plan ends: plan.add cannot be assigned
ctx:plan().add = nil
