#!/bin/sh
# shellcheck disable=SC1010  # "done" is a status, too
# blobs.sh -- large contents: put, get, list, through HTTP while they arrive, read by a run, taken away.
# usage: blobs.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
ask() { psql "$uri" -Atqc "SET ROLE reeve_app; SET reeve.tenant = ${tenant:-1}; $1"; }
owner() { psql "$owner_uri" -Atqc "$1"; }
sha() { sha256sum "$1" | cut -d' ' -f1; }

mkdir -p "$state/reader"
cat >"$state/reader/agent.lua" <<'LUA'
-- hears of documents and reads their beginning, their end and what is no text in them
local agent = { name = "reader", version = "1", handles = { "F12" }, uses = { "exception.note" }, limits = { steps = 500 } }
local function first(document)
  local slice, why, code = blob.read(document, { from = 0, length = 10 })
  return slice and slice.text or code .. ": " .. why
end
function agent.plan(ctx, exception)
  local said = {}
  while true do
    local told = ctx:signal("document", 86400)
    if told.last then break end
    said[#said + 1] = first(told.document)
    if told.document.size and told.document.size > 10 then
      local tail = blob.read(told.document, { from = told.document.size - 4, length = 100, as = "hex" })
      said[#said + 1] = tail.hex .. (tail.next and " and more" or "")
    end
  end
  local kept = blob.put(("grün "):rep(8000), "text/plain")
  local slice = blob.read(kept, { from = 0, length = 3 })
  said[#said + 1] = slice.text .. " then from " .. slice.next
  local whole, at, text = "", 0, blob.read(kept)
  while text do
    whole, at = whole .. text.text, text.next
    text = at and blob.read(kept, { from = at })
  end
  said[#said + 1] = #whole .. " bytes"
  for _, line in ipairs(said) do ctx:note(line) end
  return ctx:plan():add("exception.note", { key = exception.key, text = "read " .. #said }, { reason = "told" }):summary(kept.blob)
end
return agent
LUA
reeve company create acme >/dev/null && reeve policy load policies/default.lua >/dev/null &&
    reeve agent publish "$state/reader/agent.lua" >/dev/null && reeve company create other >/dev/null || exit 1
uri=$(reeve db uri)
owner_uri=$(reeve db uri --owner)
company=scripts/demo/company
reeve import "$company/master.json" "$company"/orders/*.xml "$company"/receipts/*.xml "$company"/invoices/*.xml --company acme >/dev/null || exit 1

# from the command line
head -c 700000 /dev/urandom >"$state/random"
printf 'hello, blob' >"$state/hello"
: >"$state/empty"
gives 0 "a file is put" reeve blob put "$state/random" --company acme
same "its name is its hash" "$(sha "$state/random")" "$(cat "$state/out")"
gives 0 "put again it is there once" reeve blob put "$state/random" --media image/png --company acme --json
has out '"size":700000'
same "one content in three parts" "1 3" "$(ask "SELECT (SELECT count(*) FROM blob) || ' ' || (SELECT count(*) FROM blob_part)")"
same "each with its record" 2 "$(ask "SELECT count(*) FROM audit_record WHERE body LIKE '%blob.put%'")"
gives 0 "it comes back" reeve blob get "$(sha "$state/random")" "$state/back" --company acme
cmp -s "$state/random" "$state/back"
same "byte for byte" 0 $?
gives 2 "no file is overwritten" reeve blob get "$(sha "$state/random")" "$state/back" --company acme
has err "exists already"
gives 1 "another company does not have it" reeve blob get "$(sha "$state/random")" --company other
gives 2 "a name is a hash" reeve blob get random --company acme
has err "64 hexadecimal digits"
gives 2 "an empty file is nothing" reeve blob put "$state/empty" --company acme
gives 2 "nor is a missing one" reeve blob put "$state/nowhere" --company acme
gives 2 "a media type is one" reeve blob put "$state/hello" --media text --company acme
truncate -s 67108865 "$state/large"
gives 1 "64 MiB and one byte are too much" reeve blob put "$state/large" --company acme
has err "larger than 67108864 bytes"
has err "several blobs"
gives 0 "a small one" reeve blob put "$state/hello" --media text/plain --company acme
gives 0 "the list has both" reeve blob list --company acme
has out "text/plain"
owner "UPDATE blob_part SET bytes = overlay(bytes placing '\\x00'::bytea FROM 3) WHERE length(bytes) = 11"
gives 1 "a content that was changed is refused" reeve blob get "$(sha "$state/hello")" --company acme
has err "does not have its hash"
owner "UPDATE blob_part SET bytes = 'hello, blob' WHERE length(bytes) = 11"

# through HTTP, while a run waits for documents
reeve exception run --no-post --company acme >/dev/null 2>&1
run=$(ask "SELECT min(id) FROM run WHERE agent = 'reader'")
reeve person add worker --roles operator --company acme >/dev/null
reeve person add watcher --roles auditor --company acme >/dev/null
secret() { reeve token make "$1" --company acme --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/'; }
token=$(secret worker)
watcher=$(secret watcher)
serve
post() { # FILE [curl options]
    file=$1
    shift
    curl -s -o "$state/out" -w '%{http_code}' -H "Authorization: Bearer $token" -T "$file" -X POST "$@" "$base/v1/blobs"
}
tell() { # JSON
    curl -s -o "$state/out" -w '%{http_code}' -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
        -d "{\"name\":\"document\",\"body\":$1}" "$base/v1/runs/$run/signal"
}
rss() { awk '/^VmRSS/ {print $2}' "/proc/$served/status"; }
same "an upload is answered with its handle" 200 "$(post "$state/hello" -H 'Content-Type: text/plain')"
has out "\"blob\":\"$(sha "$state/hello")\""
same "chunked, too" 200 "$(post "$state/random" -H 'Transfer-Encoding: chunked')"
has out "\"blob\":\"$(sha "$state/random")\""
has out '"size":700000'
same "without a permission it is refused before it comes" 403 "$(token=$watcher post "$state/random")"
same "without a token" 401 "$(token=wrong post "$state/random")"
same "an empty body is nothing" 400 "$(post "$state/empty")"
has out "empty"
same "too large by its own word" 413 "$(post "$state/large")"
has out "67108864"
has out "POST /v1/blobs"
same "too large in the end" 413 "$(post "$state/large" -H 'Transfer-Encoding: chunked')"
same "a signal that is too large says what to do" 413 \
    "$(head -c 9000000 /dev/zero | tr '\0' x >"$state/text"; curl -s -o "$state/out" -w '%{http_code}' -H "Authorization: Bearer $token" \
        -H 'Content-Type: application/json' --data-binary "@$state/text" "$base/v1/runs/$run/signal")"
has out "POST /v1/blobs"
curl -s -m 1 -H "Authorization: Bearer $token" --limit-rate 100K -T "$state/random" -X POST "$base/v1/blobs" >/dev/null
same "a client that leaves half-way leaves a server that goes on" 200 "$(post "$state/hello")"
curl -s -H "Authorization: Bearer $token" "$base/v1/blobs" >"$state/out"
has out "$(sha "$state/random")"

# ten documents of 20 MB through one run: nobody holds one
before=$(rss)
for i in 1 2 3 4 5 6 7 8 9 10; do
    { printf 'document%02d' "$i"; head -c 20000000 "$state/large"; printf 'end%d' $((i % 10)); } >"$state/document"
    [ "$(post "$state/document" -H 'Content-Type: text/plain')" = 200 ] || { echo "FAIL  upload $i"; cat "$state/out"; failures=$((failures + 1)); }
    handle=$(sed 's/,"channel[^}]*//' "$state/out")
    tell "{\"document\":$handle}" >/dev/null
done
tell '{"document":{"blob":"'"$(sha "$state/random")"'","size":700000}}' >/dev/null
tell '{"document":{"blob":"00"}}' >/dev/null
tell '{"last":true}' >/dev/null
for _ in $(seq 600); do
    [ "$(ask "SELECT status FROM run WHERE id = $run")" = done ] && break
    sleep 0.1
done
after=$(rss)
same "the run has read them" done "$(ask "SELECT status FROM run WHERE id = $run")"
notes() { ask "SELECT convert_from(substr(out, 2), 'UTF8')::jsonb->'value'->>'text' FROM journal WHERE run_id = $run AND kind = 12 ORDER BY seq"; }
notes >"$state/out"
same "each from its beginning to its end" "10 10" "$(grep -c '^document[01][0-9]$' "$state/out") $(grep -c '^656e643[0-9]$' "$state/out")"
has out "invalid: the bytes from 0 are no text"
has out "not_found: there is no blob 00"
has out "gr then from 2"
has out "48000 bytes"
echo "memory of the server: $before KiB before, $after KiB after 200 MB"
[ $((after - before)) -lt 16384 ]
same "and its memory has not grown with them" 0 $?
same "what the run refers to is known" 12 "$(ask "SELECT count(*) FROM blob_use u WHERE run_id = $run AND EXISTS (SELECT FROM blob b WHERE b.hash = u.hash AND media <> 'application/json')")"
serve_ends
gives 0 "it replays without them" reeve run replay "r_$run" --company acme
has out "the same"

# a large answer leaves the row, and is found again
same "large answers are no rows" "t t" "$(ask "SELECT bool_or(get_byte(out, 0) = 2) || ' ' || (max(length(out)) <= 32768) FROM journal" | sed 's/true/t/g')"

# what nobody refers to goes; what a run refers to stays until the run goes
tenant=2
same "another company sees none of it" "0 0 0" "$(ask "SELECT (SELECT count(*) FROM blob) || ' ' || (SELECT count(*) FROM blob_part) || ' ' || (SELECT count(*) FROM blob_use)")"
tenant=1
owner "UPDATE blob SET touched_at = now() - interval '2 days'; UPDATE blob_part SET made_at = now() - interval '2 days'" >/dev/null
owner "SELECT reeve_blob_prune(interval '1 day', 1000)" >/dev/null
same "those of the run stay" "$(ask "SELECT count(DISTINCT hash) FROM blob_use")" "$(ask "SELECT count(*) FROM blob")"
same "without orphans" 0 "$(ask "SELECT count(*) FROM blob_part p WHERE NOT EXISTS (SELECT FROM blob b WHERE b.content = p.content)")"
gives 0 "and can be had" reeve blob get "$(sha "$state/random")" "$state/again" --company acme
owner "DELETE FROM run WHERE id = $run; SELECT reeve_blob_prune(interval '1 day', 1000)" >/dev/null
same "with the run they go" "0 0" "$(ask "SELECT (SELECT count(*) FROM blob b WHERE NOT EXISTS (SELECT FROM blob_use u WHERE u.hash = b.hash)) || ' ' || (SELECT count(*) FROM blob_use WHERE run_id = $run)")"
gives 0 "the record is whole" reeve audit verify --company acme

[ "$failures" = 0 ] || echo "$failures checks failed"
[ "$failures" = 0 ]
