-- plan ends: unknown name "os"
os.exit(1)
