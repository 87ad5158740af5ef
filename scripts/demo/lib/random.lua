-- random.lua -- the same numbers from the same seed, on every machine and every Lua 5.4.
-- (xorshift64*, on the 64-bit integers that Lua has anyway; math.random may differ between builds.)

local Random = {}
Random.__index = Random

local function step(self)
  local x = self.state
  x = x ~ (x >> 12)
  x = x ~ (x << 25)
  x = x ~ (x >> 27)
  self.state = x
  return (x * 0x2545F4914F6CDD1D) >> 33 -- the upper 31 bits are the good ones
end

function Random.new(seed)
  -- spread small seeds over all bits; xorshift only refuses zero
  local state = (seed + 1) * 0x5851F42D4C957F2D + 0x14057B7EF767814F
  local self = setmetatable({ state = state ~= 0 and state or 1 }, Random)
  for _ = 1, 8 do step(self) end
  return self
end

-- An integer from low to high, both included.
function Random:between(low, high)
  return low + step(self) % (high - low + 1)
end

-- A multiple of `grain` from low to high; low is a multiple itself.
function Random:grained(low, high, grain)
  return low + grain * self:between(0, (high - low) // grain)
end

function Random:digits(count)
  local out = {}
  for i = 1, count do out[i] = self:between(0, 9) end
  return table.concat(out)
end

return Random
