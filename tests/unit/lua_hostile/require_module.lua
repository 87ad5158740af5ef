-- plan ends: unknown name "require"
require("os")
