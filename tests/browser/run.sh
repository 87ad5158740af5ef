#!/bin/sh
# run.sh TEST PROGRAM OUT -- runs the browser test, or says why it cannot (status 77).
here=$(dirname "$0")
command -v node >/dev/null 2>&1 || { echo "skipped: node is not installed"; exit 77; }
for one in "$REEVE_CHROMIUM" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
    [ -n "$one" ] && [ -x "$one" ] && chromium=$one && break
done
[ -n "$chromium" ] || { echo "skipped: chromium is not installed"; exit 77; }
mkdir -p "$3"
exec 9>"$3/npm.lock"
flock 9 # another browser test may begin at the same time
if [ ! -d "$here/node_modules/playwright-core" ]; then
    (cd "$here" && npm ci --no-audit --no-fund >/dev/null 2>&1) ||
        { echo "skipped: playwright-core is not installed (run npm ci in tests/browser)"; exit 77; }
fi
exec 9>&-
exec node "$here/$1" "$2" "$chromium" "$3"
