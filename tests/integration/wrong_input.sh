#!/bin/sh
# shellcheck disable=SC1010,SC3045  # "reeve do" is a command, dash knows ulimit -v
# wrong_input.sh -- what attackers and clumsy people give the program: refused with the rule and a remedy,
# quickly, in little memory, and with nothing half done; and what is right beside it still goes in.
# usage: wrong_input.sh REEVE      (from the repository root)
set -u
reeve_program=$1
root=$(pwd)
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
    { echo "SKIP: PostgreSQL is not installed (package postgresql-15)"; exit 77; }
state=$(mktemp -d /tmp/rv-wrong-XXXXXX)
chmod 755 "$state" # root's server, which is another account, has to pass
export REEVE_STATE="$state/s" HOME="$state" XDG_CONFIG_HOME="$state/c"
unset REEVE_DATABASE REEVE_DATABASE_URI REEVE_CONFIG
trap '"$reeve_program" db stop >/dev/null 2>&1; rm -rf "$state"' EXIT
failures=0
asked=0
memory_kib=400000 # of address space: a program that reads what it should not would need more
"$reeve_program" version --build | grep -q "address" && memory_kib=unlimited
reeve() { (ulimit -v $memory_kib; exec timeout 20 "$reeve_program" "$@"); }
fail() {
    echo "FAIL  $*"
    failures=$((failures + 1))
}
ask() { # SQL as the owner sees it
    psql "$("$reeve_program" db uri)" -Atqc "SET ROLE reeve_app; SET reeve.tenant = 1; $1"
}
refused() { # STATUS TEXT COMMAND...
    status=$1
    text=$2
    shift 2
    asked=$((asked + 1))
    reeve "$@" >"$state/out" 2>"$state/err" </dev/null
    found=$?
    cat "$state/out" "$state/err" >"$state/all"
    what=$(printf '%.90s' "$*" | tr -cd ' -~')
    [ "$found" = "$status" ] || fail "$what: status $found instead of $status: $(cat "$state/all")"
    grep -qF -- "$text" "$state/all" || fail "$what: \"$text\" is missing in: $(cat "$state/all")"
    grep -q -e "->" -e '"hint"' "$state/all" || fail "$what: no remedy in: $(cat "$state/all")"
}
cd "$state" || exit 1
"$reeve_program" company create wrong >/dev/null 2>&1 || exit 1
"$reeve_program" policy load "$root/policies/default.lua" >/dev/null || exit 1
reeve import "$root/scripts/demo/company/master.json" >/dev/null || { fail "the master data"; exit 1; }
count="SELECT (SELECT count(*) FROM event) || ' ' || (SELECT count(*) FROM command_log WHERE outcome = 'applied')"
"$reeve_program" person add controller --roles controller >/dev/null || fail "a person"
before=$(ask "$count")

# ---- documents ----
ubl=urn:oasis:names:specification:ubl:schema:xsd
invoice() { # BODY [HEAD]
    printf '<?xml version="1.0" encoding="UTF-8"?>%s<Invoice xmlns="%s:Invoice-2" xmlns:b="%s:CommonBasicComponents-2" xmlns:a="%s:CommonAggregateComponents-2">%s</Invoice>' \
        "${2:-}" $ubl $ubl $ubl "$1"
}
fields() { # AMOUNT [NUMBER DATE CURRENCY]
    printf '<b:ID>%s</b:ID><b:IssueDate>%s</b:IssueDate><b:DocumentCurrencyCode>%s</b:DocumentCurrencyCode><a:AccountingSupplierParty><a:Party><a:PartyName><b:Name>Somebody</b:Name></a:PartyName></a:Party></a:AccountingSupplierParty><a:LegalMonetaryTotal><b:TaxExclusiveAmount>%s</b:TaxExclusiveAmount><b:PayableAmount>%s</b:PayableAmount></a:LegalMonetaryTotal>' \
        "${2-W-1}" "${3:-2024-02-29}" "${4:-EUR}" "$1" "$1"
}
repeat() { # COUNT TEXT
    awk -v n="$1" -v t="$2" 'BEGIN {for (i = 0; i < n; i++) printf "%s", t}'
}
invoice '<b:ID>&d;</b:ID>' '<!DOCTYPE I [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY d "&b;&b;&b;&b;&b;&b;&b;&b;">]>' >laughs.xml
invoice '<b:ID>&x;</b:ID>' '<!DOCTYPE I [<!ENTITY x SYSTEM "file:///etc/passwd">]>' >external.xml
invoice '' '<!DOCTYPE I [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>' >parameter.xml
invoice "$(repeat 100000 '<a:X>')" >deep.xml
invoice "$(fields 1)" | head -c 400 >truncated.xml
invoice "$(fields 1)" | sed "s/Somebody/M$(printf '\374')ller/" >latin.xml
{ printf '\377\376'; invoice "$(fields 1)" | sed 's/./&\x00/g'; } >wide.xml
invoice "$(fields 1e3)" >exponent.xml
invoice "$(fields 99999999999999999999)" >large.xml
invoice "$(fields 92233720368547758.08)" >edge.xml
invoice "$(fields 1,00)" >comma.xml
invoice "$(fields NaN)" >nan.xml
invoice "$(fields 1.005)" >fraction.xml
invoice "$(fields 1 W-1 2023-02-29)" >date.xml
invoice "$(fields 1 W-1 2024-02-29 QQQ)" >currency.xml
invoice "$(fields 1 '')" >number.xml
invoice "$(fields 1 "$(repeat 300 0123456789)")" >longnumber.xml
invoice '<b:ID>1</b:ID><b:IssueDate>2024-02-29</b:IssueDate><b:DocumentCurrencyCode>EUR</b:DocumentCurrencyCode>' >supplier.xml
invoice "$(fields 1)" | sed 's/Invoice-2/Catalogue-2/; s/Invoice/Catalogue/g' >catalogue.xml
: >empty.xml
head -c 268435456 /dev/zero | tr '\0' ' ' >spaces.xml
printf '%%PDF-1.7\n%%\342\343\317\323\n1 0 obj\n' >document.pdf
printf 'PK\003\004aaaaaaaaaaaaaaaaaaaaaaaaaaaa' >table.xlsx
printf '<!DOCTYPE html><html><body>404 not found</body></html>' >error.xml
mkdir folder.xml
ln -s /dev/zero zero.xml
mkfifo pipe.xml
refused 1 DOCTYPE import laughs.xml
refused 1 DOCTYPE import external.xml
refused 1 DOCTYPE import parameter.xml
refused 1 "nested deeper than 64" import deep.xml
refused 1 "not well-formed" import truncated.xml
refused 1 "not proper UTF-8" import latin.xml
refused 1 "its bytes are UTF-16" import wide.xml
refused 1 'TaxExclusiveAmount "1e3" is not a plain decimal' import exponent.xml
refused 1 "has more than 18 digits" import large.xml
refused 1 "has more than 18 digits" import edge.xml
refused 1 "is not a plain decimal number" import comma.xml
refused 1 "is not a plain decimal number" import nan.xml
refused 1 "PayableAmount 1.005 has digits beyond the 2 decimals of EUR" import fraction.xml
refused 1 'IssueDate "2023-02-29"' import date.xml
refused 1 'currency "QQQ"' import currency.xml
refused 1 "no usable number" import number.xml
refused 1 '"/number" is longer than 200 bytes' import longnumber.xml
refused 1 "no usable supplier" import supplier.xml
refused 1 "no known UBL 2 document" import catalogue.xml
refused 1 "is unknown" import empty.xml
refused 1 "is unknown" import spaces.xml
refused 1 "is pdf" import document.pdf
refused 1 "is zip" import table.xlsx
refused 1 "is unknown" import error.xml
refused 1 "not a regular file" import folder.xml
refused 1 "not a regular file" import zero.xml
refused 1 "not a regular file" import pipe.xml
refused 1 "No such file" import nothere.xml

# ---- statements ----
statement() { # ACCOUNT AMOUNT CLOSING
    printf '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>W</Id><Acct><Id><IBAN>%s</IBAN></Id></Acct>' "$1"
    for balance in "OPBD 0.00" "CLBD $3"; do
        printf '<Bal><Tp><CdOrPrtry><Cd>%s</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2024-01-01</Dt></Dt></Bal>' "${balance% *}" "${balance#* }"
    done
    printf '<Ntry><Amt Ccy="EUR">%s</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2024-01-01</Dt></BookgDt></Ntry></Stmt></BkToCstmrStmt></Document>' "$2"
}
ours=$(ask "SELECT iban FROM account WHERE iban IS NOT NULL LIMIT 1")
statement "$ours" 1e1 10.00 >exponent.camt
statement "$ours" 99999999999999999999 10.00 >large.camt
statement "$ours" -10.00 10.00 >minus.camt
refused 1 'Amt "1e1" is not a plain decimal' import exponent.camt
refused 1 "has more than 18 digits" import large.camt
refused 1 "the sign belongs into CdtDbtInd" import minus.camt

# ---- master data ----
json() { printf '%s' "$2" >"$1.json"; }
json list '[]'
json other '{"hello": 1}'
json text '{"accounts": "x"}'
json numbers '{"accounts": [1, 2]}'
json open '{"accounts": ['
json twice '{"accounts": [], "accounts": []}'
json large '{"tolerances":[{"key":"PP","pct_bp":99999999999999999999999,"amount_minor":1,"days":0}]}'
json exponent '{"tolerances":[{"key":"PP","pct_bp":1e2,"amount_minor":1,"days":0}]}'
json half '{"accounts":[{"number":"8888","name":"good","kind":"expense"},{"number":"8889","name":"bad","kind":"nonsense"}]}'
json unknown '{"tolerances":[{"key":"PP","pct_bp":1,"amount_minor":1,"days":0,"colour":"red"}]}'
printf '{"accounts":[{"number":"\377"}]}' >bytes.json
printf '{"accounts":[{"number":"a\\u0000b","name":"x","kind":"expense"}]}' >zero.json
repeat 100000 '[' >deep.json
refused 1 "no master data" import list.json
refused 1 "no master data" import other.json
refused 1 '"accounts" is not a list' import text.json
refused 1 "accounts 1: not an object" import numbers.json
refused 1 "not valid JSON" import open.json
refused 1 "duplicate object key" import twice.json
refused 1 "too big integer" import large.json
refused 1 '"/pct_bp" is not of type integer' import exponent.json
refused 1 'accounts 2: account.register: "/kind" "nonsense"' import half.json
refused 1 '"/colour" is not known here' import unknown.json
refused 1 "unable to decode byte" import bytes.json
refused 1 "U+0000 in a text" import zero.json
refused 1 "nested deeper than 64" import deep.json

# ---- commands ----
hold='{"invoice":1,"code":"price","reason":"r"}'
refused 2 "not valid JSON" do invoice.hold '{'
refused 2 "is not of type object" do invoice.hold '[]'
refused 2 '"/invoice" is required' do invoice.hold '{}'
refused 2 '"/invoice" is not of type integer' do invoice.hold '{"invoice":1e0,"code":"price","reason":"r"}'
refused 2 "too big integer" do invoice.hold '{"invoice":99999999999999999999,"code":"price","reason":"r"}'
refused 2 "is below 1" do invoice.hold '{"invoice":-1,"code":"price","reason":"r"}'
refused 2 '"/x" is not known' do invoice.hold '{"invoice":1,"code":"price","reason":"r","x":1}'
refused 2 "is longer than 1000 bytes" do invoice.hold "{\"invoice\":1,\"code\":\"price\",\"reason\":\"$(repeat 1100 x)\"}"
refused 1 "there is no invoice:1" do invoice.hold "$hold"
refused 1 "there is no invoice:9223372036854775807" do invoice.hold '{"invoice":9223372036854775807,"code":"price","reason":"r"}'
refused 1 'no action named "invoice.hodl"' do invoice.hodl "$hold"
refused 1 "no action named" do "x'; DROP TABLE event; --" "$hold"
refused 1 "nested deeper than 64" do invoice.hold deep.json
refused 1 "larger than" do invoice.hold spaces.xml
refused 1 "larger than" do invoice.hold zero.xml
refused 2 "is a folder" do invoice.hold folder.xml
refused 1 "No such file" do invoice.hold nothere.json
refused 2 "1 to 200 bytes of plain text" do invoice.hold "$hold" --id ""
refused 2 "1 to 200 bytes of plain text" do invoice.hold "$hold" --id "$(repeat 500 x)"
refused 2 "--id is not valid UTF-8" do invoice.hold "$hold" --id "$(printf 'a\377')"
refused 1 'no person "nobody"' do invoice.hold "$hold" --as nobody
# ---- runs, schedules, approvals: each refusal says what to do ----
"$reeve_program" agent publish "$root/agents/bank_details/agent.lua" >/dev/null 2>&1 || fail "an agent"
refused 1 "there is no run" run signal r_42 go
refused 1 "there is no run" run update r_42 go --body '{}'
refused 1 "no run r_42" run cancel r_42 --yes
refused 1 "there is no run" run raise r_42 --calls 1 --reason more
refused 2 "no currency" run raise r_42 --money XXQ=5 --reason more
refused 2 "EUR twice" run raise r_42 --money EUR=5,EUR=6 --reason more
refused 2 "has no option --phase" run list --phase failed
refused 1 "reeve exception list" run start --exception nothing
refused 2 "digits, \".\", \"_\" or" company create "bad name;"
refused 2 "letter or digit first" company create ''
refused 2 "a letter or digit first" company create .hidden
refused 2 "letters, digits" company list --set "node.name=b b"
refused 1 "no approval" approval approve 1 --as controller
refused 1 "no approval" approval show 1
refused 1 "nested deeper than" run start bank_details --input "$(repeat 80 '{"a":')1$(repeat 80 '}')"
refused 2 "for the run of an agent" schedule add w --cron "0 2 * * *" --input '{}'
for wrong in 0 5 9 31622401; do refused 2 "from 10 to 31622400" schedule add w --cron "0 2 * * *" --catch-up $wrong; done
for wrong in 0 10001; do refused 2 "from 1 to 10000" schedule add w --cron "0 2 * * *" --catch-up-max $wrong; done
# ---- texts that are not UTF-8 ----
latin=$(printf 'm\374ller')
byte=$(printf 'a\377')
for verb in cancel "fork --at-step 1" retry; do # a filter that is not read is not everything
    # shellcheck disable=SC2086
    refused 2 "--agent is not valid UTF-8: byte 2 is 0xFC" run $verb --agent "$latin" --yes
    # shellcheck disable=SC2086
    refused 2 "--key is not valid UTF-8" run $verb --key "$latin" --yes
done
for option in role key agent waiting-on view save error; do
    refused 2 "--$option is not valid UTF-8" run list --$option "$latin"
done
refused 2 "NAME is not valid UTF-8: byte 2 is 0xFF" run signal r_1 "$byte"
refused 2 "NAME is not valid UTF-8" run query r_1 "$byte"
refused 2 "RUN is not valid UTF-8" run query "$byte"
refused 2 "--reason is not valid UTF-8" run cancel r_1 --reason "$byte"
refused 2 "--reason is not valid UTF-8" run raise r_1 --steps 1 --reason "$byte"
refused 2 "--key is not valid UTF-8" run start bank_details --key "$byte"
refused 2 "--reason is not valid UTF-8" schedule pause w --reason "$byte"
refused 2 "NAME is not valid UTF-8" company create "$byte"
refused 2 "--company is not valid UTF-8" run list --company "$byte"
refused 2 "FILE is not valid UTF-8" import good.xml "$byte"
line() { printf '{"account":"%s","amount_minor":%s,"currency":"EUR"}' "$1" "$2"; }
journal() { printf '{"date":"%s","memo":"r","lines":[%s,%s]}' "$1" "$2" "$3"; }
most=9223372036854775807
large=100000000000000
refused 1 "refused" do journal.post "$(journal 2026-01-15 "$(line 4980 5)" "$(line 1200 -4)")" --as controller
refused 2 "is above" do journal.post "$(journal 2026-01-15 "$(line 4980 $most)" "$(line 4980 $most)")" --as controller
refused 1 "refused" do journal.post "$(journal 2026-01-15 "$(line 4980 $large)" "$(line 4980 $large)")" --as controller
refused 1 "refused" do journal.post "$(journal 2026-01-15 "$(line nope 5)" "$(line 1200 -5)")" --as controller
refused 2 "is no date" do journal.post "$(journal 2026-13-01 "$(line 4980 5)" "$(line 1200 -5)")" --as controller

after=$(ask "$count")
[ "$before" = "$after" ] || fail "something was done: events and commands were $before and are $after"

# ---- and what is right goes in; what does not balance goes where nothing is booked from ----
invoice "$(fields 1.00)" >good.xml
statement "$ours" 10.00 10.00 >good.camt
statement "$ours" 10.00 11.00 | sed 's/<Id>W</<Id>W2</' >unbalanced.camt
reeve import good.xml good.camt >out 2>&1 || fail "good files: $(cat out)"
[ "$(grep -c ^imported out)" = 2 ] || fail "good files: $(cat out)"
quarantined() { # RULE FILE...: exit status 5, the rule, a remedy, and nothing is booked
    rule=$1
    shift
    booked=$(ask "SELECT count(*) FROM je")
    reeve import "$@" >out 2>&1
    [ $? = 5 ] || fail "$*: in quarantine, but the status does not tell: $(cat out)"
    grep -q "^quarantined .* $rule: " out || fail "$*: $rule was expected: $(cat out)"
    grep -q -e "->" out || fail "$*: no remedy: $(cat out)"
    [ "$booked" = "$(ask "SELECT count(*) FROM je")" ] || fail "$*: something was booked"
}
state_of() { # ID: state and account of a statement, and where its lines are
    ask "SELECT s.state, s.account, (SELECT string_agg(DISTINCT b.account, ' ') FROM bank_line b WHERE b.statement_id = s.id) FROM bank_statement s WHERE s.statement_ref = '$1'"
}
quarantined RV-BALANCE unbalanced.camt
statement "$ours" 11.00 11.00 | sed 's/<Id>W2</<Id>W</' >twin.camt
quarantined RV-TWIN twin.camt
quarantined RV-TWIN twin.camt # again: the same, and nothing more
[ "$(ask "SELECT count(*) FROM bank_statement WHERE statement_ref LIKE 'W#%'")" = 1 ] || fail "twins"
statement "$ours" 10.00 10.00 | sed 's/<Id>W</<Id>W3</; s/2024-01-01/2024-01-02/g' >other.camt
sed 's/CLBD.*CRDT<.CdtDbtInd><Dt><Dt>2024-01-02<.Dt><.Dt><.Bal><Ntry>/&/; s/10.00/12.00/' other.camt >wrong.camt
quarantined RV-BALANCE wrong.camt
sed 's/<Id>W3</<Id>W4</' other.camt >right.camt # the bank's correction brings its line again
reeve import right.camt >out 2>&1 || fail "a correction: $(cat out)"

# ---- an account that is not registered: kept whole, and let in once it is ----
foreign=DE02120300000000202051
statement $foreign 10.00 10.00 | sed 's/<Id>W</<Id>F1</' >foreign.camt
statement $foreign 10.00 10.00 | sed 's/<Id>W</<Id>F2</; s/2024-01-01/2024-01-03/g' >foreign2.camt
quarantined RV-ACCOUNT foreign.camt foreign2.camt
quarantined RV-ACCOUNT foreign.camt
reeve import --json foreign.camt >out 2>&1
grep -q '"rule": *"RV-ACCOUNT"' out || fail "the rule as JSON: $(cat out)"
refused 1 "is not registered" do bank_statement.release "{\"account_iban\":\"$foreign\",\"statement_id\":\"F2\"}"
refused 1 "was not announced" do bank_statement.release "{\"account_iban\":\"$foreign\",\"statement_id\":\"F3\"}"
reeve do account.register "{\"number\":\"1299\",\"name\":\"Second bank\",\"kind\":\"asset\",\"role\":\"bank\",\"iban\":\"$foreign\"}" >/dev/null 2>err ||
    fail "an account: $(cat err)"
reeve import foreign.camt >out 2>&1 || fail "a registered account: $(cat out)"
grep -q "^imported" out || fail "a registered account: $(cat out)"
reeve do bank_statement.release "{\"account_iban\":\"$foreign\",\"statement_id\":\"F2\"}" >out 2>&1 ||
    fail "a release: $(cat out)"
[ "$(state_of F1) $(state_of F2)" = "imported|1299|1299 imported|1299|1299" ] ||
    fail "after the release: $(state_of F1) $(state_of F2)"
reeve import foreign.camt foreign2.camt >out 2>&1 || fail "once more: $(cat out)"
[ "$(grep -c "^known already" out)" = 2 ] || fail "once more: $(cat out)"
"$reeve_program" ledger check >/dev/null || fail "the ledger"
"$reeve_program" audit verify >/dev/null || fail "the audit record"

# ---- the real files beside the repository: every one with its own outcome ----
real=$root/../shared/data/erp
if [ -d "$real" ]; then
    reeve import "$real"/invoices/xrechnung/* "$real"/invoices/en16931/* "$real"/invoices/sfti/* >out 2>&1
    [ "$(grep -c ^imported out) $(grep -vc ^imported out)" = "38 0" ] ||
        fail "real invoices: $(grep -v ^imported out)"
    companies=0
    outcome() { # FILE RESULT REASON [IBAN]: each in a company of its own, that has the account
        companies=$((companies + 1))
        "$reeve_program" company create "bank$companies" >/dev/null 2>&1 || fail "a company"
        "$reeve_program" --company "bank$companies" policy load "$root/policies/default.lua" >/dev/null ||
            fail "a policy"
        if [ -n "${4:-}" ]; then
            reeve --company "bank$companies" do account.register "{\"number\":\"1200\",\"name\":\"Bank\",\"kind\":\"asset\",\"role\":\"bank\",\"iban\":\"$4\",\"bank_account\":\"$4\"}" \
                >/dev/null 2>err || fail "an account: $(cat err)"
        fi
        reeve --company "bank$companies" import "$real/bank/camt/$1" >out 2>&1
        grep -q "^$2 .*$3" out || fail "$1: $2 ($3) was expected, this came: $(cat out)"
    }
    every() { # RULE...: all statements together in one company, each with its rule or, of another kind, refused
        reeve --company every import "$real"/bank/camt/* >out 2>&1
        [ $? = 1 ] || fail "every statement: files of another kind are refused"
        for file in "$real"/bank/camt/*; do
            name=$(basename "$file")
            case $name in
            *camt*053*)
                rule=$1
                shift
                ;;
            *) rule=refused ;;
            esac
            case $rule in
            refused) grep -q "^refused .* is camt.05[24] and is not imported" out ;;
            *) grep -q "^quarantined .* $name  $rule: " out ;;
            esac || fail "$name: $rule was expected: $(cat out)"
        done
    }
    "$reeve_program" company create every >/dev/null 2>&1 || fail "a company"
    "$reeve_program" --company every policy load "$root/policies/default.lua" >/dev/null || fail "a policy"
    every RV-ACCOUNT RV-ACCOUNT RV-ACCOUNT RV-ACCOUNT RV-ACCOUNT RV-ACCOUNT
    number=1200
    for iban in CH2909000000250094239 NL26VAYB8060476890 CH2801234000123456789; do
        number=$((number + 1))
        reeve --company every do account.register "{\"number\":\"$number\",\"name\":\"Bank\",\"kind\":\"asset\",\"role\":\"bank\",\"iban\":\"$iban\",\"bank_account\":\"$iban\"}" \
            >/dev/null 2>err || fail "an account: $(cat err)"
    done
    every RV-BALANCE RV-BALANCE RV-TWIN RV-BALANCE RV-TWIN RV-BALANCE
    swiss=CH2909000000250094239
    dutch=NL26VAYB8060476890
    outcome 200519_camt.054-Credit_P_CH2909000000250094239_1110092691_0_2019042421291293.xml refused "is camt.054"
    outcome camt.053_P_CH2909000000250094239_1110092698_0_2020112503071366.xml quarantined "RV-BALANCE: .* by -1537.00 CHF" $swiss
    outcome camt052.v6.xml refused "is camt.052"
    outcome camt053.v2.minimal.xml quarantined "RV-BALANCE: .*" $dutch
    outcome camt053.v2.multi.statement.xml imported "" $dutch
    outcome camt053.v2.with-account-name.xml quarantined "RV-BALANCE: .*no opening balance" CH2801234000123456789
    outcome camt053.v3.xml quarantined "RV-BALANCE: .*" $dutch
    outcome camt053.v8.xml quarantined "RV-BALANCE: .*" $dutch
    outcome camt054.v4.xml refused "is camt.054"
    [ "$(find "$real/bank/camt" -type f | wc -l)" = 9 ] || fail "a statement without an expected outcome"
else
    echo "no real files at $real: these were left out"
fi

echo "$asked wrong inputs, $failures failures"
[ "$failures" = 0 ]
