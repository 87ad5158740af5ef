-- plan ends: limit "instructions"
::again::
goto again
