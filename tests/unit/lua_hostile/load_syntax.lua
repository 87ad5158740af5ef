-- load ends: :2:
local = 5
