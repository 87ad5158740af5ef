-- load ends: does not return its agent table
return function() end
