#!/bin/sh
# answers.sh -- what made an answer of the API is told, kept, and makes it again.
# usage: answers.sh REEVE      (from the repository root)
set -u
# shellcheck source=tests/integration/preamble.sh
. "$(dirname "$0")/preamble.sh"
export REEVE_MODEL_BACKEND=ref REEVE_MODEL_PATH="$state/tiny.gguf"
reeve model make --shape tiny-llama --quant Q8_0 --seed 7 --out "$state/tiny.gguf" >/dev/null 2>&1 || exit 1
hash=$(sha256sum "$state/tiny.gguf" | cut -d' ' -f1)
secret() { # COMPANY
    reeve company create "$1" >/dev/null 2>&1
    reeve --company "$1" token make console --json 2>/dev/null | sed 's/.*"token":"\([^"]*\)".*/\1/'
}
acme=$(secret acme)
globex=$(secret globex)
"$reeve_program" serve --listen 127.0.0.1:0 --json >"$state/served" 2>"$state/log" &
served=$!
for _ in $(seq 600); do [ -s "$state/served" ] && break; sleep 0.1; done
base=$(grep -o 'http://[0-9.:]*' "$state/served" | head -1)
post() { # PATH BODY: the status; the answer is in $state/answer
    curl -s -o "$state/answer" -w '%{http_code}' -H "Authorization: Bearer $acme" -H 'Content-Type: application/json' \
        -d "$2" "$base/v1/$1"
}
story() { post completions "{\"model\":\"reeve\",\"prompt\":\"SECRET-PROMPT\",\"temperature\":1,\"max_tokens\":12$1}"; }
# member NAME [FILE]: of the answer, or of what was kept
member() { /usr/bin/python3 -c 'import functools, json, sys
at = functools.reduce(lambda a, k: a[int(k)] if isinstance(a, list) else a.get(k), sys.argv[2].split("."), json.load(open(sys.argv[1])))
print(json.dumps(at) if not isinstance(at, str) else at)' "${2:-$state/answer}" "$1"; }
kept() { # TOKEN ID: the status, once it is there; in $state/kept
    for _ in $(seq "${3:-600}"); do
        status=$(curl -s -o "$state/kept" -w '%{http_code}' -H "Authorization: Bearer $1" "$base/v1/answers/$2")
        [ "$status" = 200 ] && break # else it is not written yet
        sleep 0.1
    done
    echo "$status"
}

same "a question without a seed" 200 "$(story '')"
seed=$(member choices.0.seed)
text=$(member choices.0.text)
id=$(member id)
used=$(member usage.prompt_tokens)
finish=$(member choices.0.finish_reason)
same "is told the one that was drawn" yes "$([ "$seed" -gt 0 ] && [ "$seed" -lt 9007199254740992 ] && echo yes)"
same "another one gets another" 200 "$(story '')"
same "seed" yes "$([ "$(member choices.0.seed)" != "$seed" ] && echo yes)"
same "with the first seed" 200 "$(story ",\"seed\":$seed")"
same "it is the first answer again" "$seed $text" "$(member choices.0.seed) $(member choices.0.text)"
curl -sN -H "Authorization: Bearer $acme" -H 'Content-Type: application/json' "$base/v1/completions" \
    -d "{\"model\":\"reeve\",\"prompt\":\"SECRET-PROMPT\",\"temperature\":1,\"max_tokens\":12,\"stream\":true}" >"$state/stream"
same "a stream tells its seed with each piece" "1 yes" "$(grep -ao '"seed":[0-9]*' "$state/stream" | sort -u | grep -c .) \
$([ "$(grep -ac '"index":' "$state/stream")" = "$(grep -ac '"seed":' "$state/stream")" ] && echo yes)"
streamed=$(grep -ao '"id":"[^"]*"' "$state/stream" | head -1 | cut -d'"' -f4)

same "what made the first is kept" 200 "$(kept "$acme" "$id")"
same "its seed" "$seed" "$(member choices.0.seed "$state/kept")"
same "the model's file" "$hash" "$(member choices.0.hash "$state/kept")"
same "how it was drawn from" "temperature 1 top_p 1 min_p 0 top_k 0" "$(member choices.0.sampler "$state/kept")"
same "with which template" chatml "$(member choices.0.template "$state/kept")"
same "its tokens" "$used" "$(member choices.0.usage.prompt_tokens "$state/kept")"
same "how it ended" "$finish" "$(member choices.0.outcome "$state/kept")"
same "no text, nobody's name" "" "$(grep -oE 'SECRET|console|person' "$state/kept")"
same "and of the stream" "200 $(grep -ao '"seed":[0-9]*' "$state/stream" | head -1 | cut -d: -f2)" \
    "$(kept "$acme" "$streamed") $(member choices.0.seed "$state/kept")"
same "two prompts" 200 "$(post completions '{"model":"reeve","prompt":["one","two"],"temperature":1,"max_tokens":12}')"
id=$(member id) seed=$(member choices.1.seed) text=$(member choices.1.text)
same "have a seed each, kept" "200 $((seed - 1)) $seed" "$(kept "$acme" "$id") $(member choices.0.seed "$state/kept") $(member choices.1.seed "$state/kept")"
same "the second alone, with its own" 200 "$(post completions "{\"model\":\"reeve\",\"prompt\":\"two\",\"temperature\":1,\"max_tokens\":12,\"seed\":$seed}")"
same "is the same text" "$text" "$(member choices.0.text)"
weighed='"temperature":0.1234567,"max_tokens":12,"presence_penalty":0.5,"frequency_penalty":-1,"logit_bias":{"300":2.5,"17":-100}'
same "two choices, weighed" 200 "$(post completions "{\"model\":\"reeve\",\"prompt\":\"two\",\"n\":2,$weighed}")"
id=$(member id) seed=$(member choices.1.seed) text=$(member choices.1.text) used=$(member usage.prompt_tokens)
same "are kept with all that chose them" "200 $seed temperature 0.1234567 top_p 1 min_p 0 top_k 0 presence 0.5 frequency -1 bias 300:2.5,17:-100" \
    "$(kept "$acme" "$id") $(member choices.1.seed "$state/kept") $(member choices.1.sampler "$state/kept")"
same "each with its prompt, which the usage has once" "$used $used" \
    "$(member choices.0.usage.prompt_tokens "$state/kept") $(member choices.1.usage.prompt_tokens "$state/kept")"
same "the second alone" 200 "$(post completions "{\"model\":\"reeve\",\"prompt\":\"two\",\"seed\":$seed,$weighed}")"
same "is the same" "$text" "$(member choices.0.text)"
same "the other company does not find it" 404 "$(kept "$globex" "$id" 1)"
same "an embedding" 200 "$(post embeddings '{"model":"reeve","input":["one","two"]}')"
used=$(member usage.prompt_tokens)
same "is kept too, without a seed" "200 null $used" \
    "$(kept "$acme" "$(member id)") $(member choices.0.seed "$state/kept") $(member choices.0.usage.prompt_tokens "$state/kept")"
[ "$failures" = 0 ] || exit 1
