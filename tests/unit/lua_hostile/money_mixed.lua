-- plan ends: EUR and USD do not mix
money.add(money.of(1, "EUR"), money.of(1, "USD"))
