-- plan ends: ctx.run cannot be assigned
ctx.run = 5
