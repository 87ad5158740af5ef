-- plan ends: money.add: the sum is too large
money.add(money.of(math.maxinteger, "EUR"), money.of(1, "EUR"))
