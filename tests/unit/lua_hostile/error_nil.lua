-- plan ends: an error object that is no text
error(nil)
