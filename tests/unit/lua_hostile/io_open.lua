-- plan ends: unknown name "io"
io.open("/etc/passwd")
