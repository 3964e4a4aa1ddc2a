#!/usr/bin/env bash
# Shows the system at its work: starts what does not run yet, sends purchases, duplicates and repeats,
# kills the worker in the middle of its work, and holds everything that it says against what comes
# back. Takes the settings of start.sh. Ends with "ok", or says what was wrong and exits 1.
#
# Programs for node and awk stand in single quotes:
# shellcheck disable=SC2016
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/stop.sh
source scripts/stop.sh

if (($#)); then
  echo "usage: ./run.sh   (the settings are those of ./start.sh --help)" >&2
  exit 2
fi

purchases=20000
attempts_max=3
host=${HOST:-127.0.0.1}
[[ $host != *:* ]] || host="[$host]"
base=http://$host:${PORT:-8081}
node=$root/node_modules/.bin/node
# Users that no run before this one had.
id=$(date +%s)-$$

tmp=$(mktemp -d)
finish() {
  # The request of a run that broke off would go on.
  kill "$(jobs -p)" 2>/dev/null || true
  rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

title() { printf '\n== %s\n' "$*"; }
say() { echo "   $*"; }

# A claim: what $1 says, with what came back as $2 and what has to come as $3.
expect() {
  [[ $2 == "$3" ]] || fail "$1: came back as '$2', and should be '$3'"
  echo " ✓ $1: $2"
}

# The proxy of the environment is for elsewhere.
curl=(curl -fsS --noproxy '*' --connect-timeout 5)

# Reads may be repeated: a worker that has just started does not answer at once.
get() { "${curl[@]}" --max-time 15 --retry 5 --retry-max-time 30 "$base$1" || fail "GET $1 failed"; }

# These write, so they are sent once.
write() { "${curl[@]}" --max-time 60 "$base$1" || fail "GET $1 failed"; }

# Posts the purchase $1 with the id $2 of the user $3; the options of curl follow. Because it carries
# its own id, it may be sent again.
post() {
  local purchase=$1 purchase_id=$2 user=$3
  shift 3
  "${curl[@]}" --max-time 30 --retry 5 --retry-max-time 60 "$@" -H 'Content-Type: application/json' \
    --data "{\"purchaseId\":\"$purchase_id\",\"userId\":\"$user\",$purchase}" "$base/purchases" ||
    fail "POST /purchases of $purchase_id failed"
}

# JSON with its numbers as the text that was sent: an amount never becomes a float.
exact='
const exact = (text) =>
  JSON.parse(text, (key, value, { source }) => (typeof value === "number" ? source : value))
const input = require("node:fs").readFileSync(0, "utf8")
'

# Prints the field $1 of the JSON object on stdin, nothing where there is none.
field() { "$node" -e "$exact"'console.log(exact(input)[process.argv[1]] ?? "")' "$1"; }

# 1234567 cents as 12345.67
decimal() {
  local cents
  cents=$(printf '%03d' "$1")
  echo "${cents%??}.${cents#"${cents%??}"}"
}

# Prints all purchases of the user $1: the JSON of a page on each line, newest first.
pages() {
  local next="/users/$1/purchases?limit=1000" page
  while [[ -n $next ]]; do
    page=$(get "$next") || exit 1
    echo "$page"
    next=$(field next <<<"$page")
  done
}

# Adds the pages on stdin up, in cents. Prints the number of purchases and their sum, and then their
# ids, the oldest first; or what does not fit together.
add_up='
const wrong = (text) => { console.error(`run.sh: the history does not fit together: ${text}`); process.exit(1) }
const cents = (text) => /^\d+\.\d\d$/.test(text) ? BigInt(text.replace(".", "")) : wrong(`${text} is no amount`)
const pages = input.trim().split("\n").map(exact)
const entries = pages.flatMap((page) => page.purchases).reverse()
let sum = 0n
entries.forEach((entry, index) => {
  const total = cents(entry.value) * BigInt(entry.quantity)
  sum += total
  if (entry.number !== String(index + 1)) wrong(`number ${index + 1} is ${entry.number}`)
  if (cents(entry.total) !== total) wrong(`${entry.value} times ${entry.quantity} is ${entry.total}`)
  if (cents(entry.runningTotal) !== sum) wrong(`${sum} cents up to ${entry.number} are ${entry.runningTotal}`)
})
const ids = entries.map((entry) => entry.purchaseId)
const distinct = new Set(ids).size
if (distinct !== ids.length) wrong(`${ids.length} purchases have ${distinct} ids`)
console.log([`${ids.length} ${sum}`, ...ids].join("\n"))
'

# Adds up the whole history of the user $1, as $count and $sum (in cents), and keeps the ids of the
# purchases in $tmp/ids.
audit() {
  pages "$1" >"$tmp/pages" || exit 1
  "$node" -e "$exact$add_up" <"$tmp/pages" >"$tmp/audit" || exit 1
  read -r count sum <"$tmp/audit"
  sed 1d "$tmp/audit" >"$tmp/ids"
}

# Holds the history of the user $1 against the number of purchases $2 and against /total.
expect_exact() {
  local total
  audit "$1"
  expect "purchases in the history, numbered 1 to $2, each with an id of its own" "$count" "$2"
  total=$(get "/total/$1")
  expect "total, the same as all pages of the history added up in cents" \
    "$(field totalDebt <<<"$total")" "$(decimal "$sum")"
}

show_generate() {
  local user=ann-$id answer history
  title "1000 random purchases of $user: GET /generate/1000/$user"
  answer=$(write "/generate/1000/$user")
  say "$answer"
  expect_exact "$user" 1000

  title "The newest of them: GET /history/$user"
  history=$(get "/history/$user")
  "$node" -e "$exact"'
    for (const p of exact(input).purchases.slice(-3)) {
      console.log(`   ${p.purchaseId}  ${p.quantity} x ${p.productName} at ${p.value} = ${p.total}`)
    }' <<<"$history"
  expect "purchaseCount" "$(field purchaseCount <<<"$history")" 1000
  expect "the last in the history is the newest purchase" \
    "$("$node" -e "$exact"'console.log(exact(input).purchases.at(-1).purchaseId)' <<<"$history")" \
    "$(tail -n 1 "$tmp/ids")"
}

show_duplicates() {
  local user=bob-$id answer
  title "One purchase of 2 x 50.00 sent 500 times: GET /duplicate/500/$user"
  answer=$(write "/duplicate/500/$user")
  say "$answer"
  expect "sent" "$(field duplicatesSent <<<"$answer")" 500
  expect_exact "$user" 1
  expect "it counts once" "$(decimal "$sum")" 100.00
}

# Prints the pids of the workers that run: worker-1, and others if start.sh was told to start more.
worker_pids() {
  local file
  for file in "$run"/worker-*.pid; do
    pid_of "$(basename "$file" .pid)" || true
  done
}

# Starts $purchases purchases of the user $1, and kills the worker as soon as some are applied: all
# workers, or another one would go on.
kill_worker_amid() {
  local user=$1 pids request seen=0 deadline=$((SECONDS + 30))
  pids=$(worker_pids)
  [[ -n $pids ]] || fail "there is no worker that runs"
  workers=$(wc -l <<<"$pids" | tr -d ' ')
  "${curl[@]}" --max-time 60 "$base/generate/$purchases/$user" >"$tmp/generate" &
  request=$!
  until ((seen > 0)); do
    ((SECONDS < deadline)) || fail "nothing of $user was applied within 30 s"
    # What is applied now, not what has been stored: that would wait for all of it.
    [[ $(get "/users/$user/total?consistency=eventual") =~ \"purchaseCount\":([0-9]+) ]] &&
      seen=${BASH_REMATCH[1]}
  done
  xargs kill -9 <<<"$pids"
  while [[ -n $(worker_pids) ]]; do sleep 0.01; done
  say "kill -9 ${pids//$'\n'/ }, when $seen of $purchases were applied"

  wait "$request" || fail "GET /generate/$purchases/$user failed"
  expect "all are stored, though no worker runs" "$(field purchasesGenerated <"$tmp/generate")" "$purchases"
}

# How many purchases of $tmp/ids were applied before the time $2: the user $1 has $count of them, and
# they were applied in this order.
applied_before() {
  local low=0 high=$count middle receipt
  while ((low < high)); do
    middle=$(((low + high + 1) / 2))
    receipt=$(get "/users/$1/purchases/$(sed -n "${middle}p" "$tmp/ids")") || exit 1
    if [[ $(field appliedAt <<<"$receipt") < $2 ]]; then
      low=$middle
    else
      high=$((middle - 1))
    fi
  done
  echo "$low"
}

show_kill() {
  local attempt witness workers receipt killed_by survived
  for ((attempt = 1; attempt <= attempts_max; attempt++)); do
    big=carol-$id-$attempt
    title "$purchases purchases of $big, and the worker is killed meanwhile"
    kill_worker_amid "$big"

    # One more, between the death of this worker and the start of the next: when the broker stored
    # it tells what was applied by which of them, by the broker's own clock.
    witness=dave-$id-$attempt
    post '"productName":"Lamp","productType":"Office","value":19.99,"quantity":3' first "$witness" >"$tmp/post"
    expect "one more, of $witness" "$(field status <"$tmp/post")" stored

    title "The worker again: start.sh"
    ./start.sh --workers "$workers" || fail "start.sh failed"
    expect_exact "$big" "$purchases"
    expect "total of $witness, stored while no worker ran" \
      "$(get "/total/$witness" | field totalDebt)" 59.97

    receipt=$(get "/users/$witness/purchases/first")
    killed_by=$(field storedAt <<<"$receipt")
    survived=$(applied_before "$big" "$killed_by")
    if ((survived > 0 && survived < purchases)); then
      echo " ✓ it was in the middle: $survived were applied before the kill, $((purchases - survived)) after it"
      return
    fi
    say "That was not in the middle: $survived of $purchases were applied before the kill. Once more."
  done
  fail "the worker could not be killed in the middle of its work in $attempts_max attempts"
}

show_post_twice() {
  local user=erin-$id wait='Prefer: wait=10' lamp phone desk
  lamp='"productName":"Lamp","productType":"Office","value":0.10,"quantity":3'
  phone='"productName":"Phone","productType":"Electronics","value":999.99,"quantity":1'
  desk='"productName":"Desk","productType":"Furniture","value":70.35,"quantity":7'

  title "Three known purchases, and one of them twice: POST /purchases"
  post "$lamp" lamp "$user" -H "$wait" >"$tmp/first"
  post "$phone" phone "$user" -H "$wait" >"$tmp/post"
  post "$desk" desk "$user" -H "$wait" >"$tmp/post"
  expect "3 x 0.10 + 1 x 999.99 + 7 x 70.35" "$(field runningTotal <"$tmp/post")" 1492.74
  post "$lamp" lamp "$user" -H "$wait" -D "$tmp/headers" >"$tmp/again"
  say "again: $(cat "$tmp/again")"
  expect "the first again, Idempotent-Replayed" \
    "$(tr -d '\r' <"$tmp/headers" | awk -F': ' 'tolower($1) == "idempotent-replayed" { print $2 }')" true
  cmp -s "$tmp/first" "$tmp/again" || fail "the repeat was answered with another body than the first"
  echo " ✓ the answer is the same as the first time"
  expect_exact "$user" 3
  expect "it counts once" "$(decimal "$sum")" 1492.74
}

# The nats command line tool, for the broker of this system and not for a context of its user. A
# password in NATS_URL stays out of the list of processes.
nats() { NATS_URL=$nats_url "$nats_cli" --no-context "$@" || fail "nats $1 ${2-} failed"; }

shown() {
  title "nats $*"
  nats "$@" >"$tmp/shown"
}

# Of what was shown: the rows of its table without the frame, or the lines that match $1.
rows() { awk '/│/ { print "   " $0 }' "$tmp/shown"; }
lines() { sed -nE "/$1/s/^ */   /p" "$tmp/shown"; }

# The first $1 rows and the last one.
some_rows() {
  rows | awk -v first="$1" '
    NR <= first { print }
    { last = $0 }
    END { if (NR > first + 1) print "   … " NR - first - 1 " more"; if (NR > first) print last }'
}

# The column with the title $1 of the table that was shown.
column() {
  awk -F'│' -v title="$1" '
    !at { for (i = 1; i <= NF; i++) { cell = $i; gsub(/^ +| +$/, "", cell); if (cell == title) at = i }; next }
    NF >= at { gsub(/[ ,]/, "", $at); if ($at != "") print $at }' "$tmp/shown"
}

# Shows it when the function $1 says so of it, or at the latest after 20 s: a worker that has just
# started takes the partitions of its predecessor one after the other, and an acknowledgement comes a
# moment after what it acknowledges.
shown_when() {
  local settled=$1 deadline=$((SECONDS + 20))
  shift
  until shown "$@" >"$tmp/title" && "$settled" || ((SECONDS > deadline)); do
    sleep 0.2
  done
  cat "$tmp/title"
}

how_many() { column "$1" | wc -l | tr -d ' '; }
open_purchases() { { column Unprocessed && column 'Ack Pending'; } | sort -u | paste -sd ' ' -; }
all_consumed() { [[ $(how_many Consumer) == "$partitions" && $(open_purchases) == 0 ]]; }
all_served() { [[ $(how_many ID) == "$partitions" ]]; }

# The user whose purchases the killed worker left is $1, with $purchases purchases and $2 cents; the
# newest of them is $3.
show_inside() {
  local user=$1 cents=$2 newest
  shown stream info PURCHASES
  lines '^ *(Subject Transform|Storage|Retention|Duplicate Window|purchases.partitions|Messages|Bytes|Last Sequence):'
  partitions=$(awk '$1 == "purchases.partitions:" { print $2 }' "$tmp/shown")

  shown kv get ledger "account.$user"
  lines '.' | cut -c 1-120
  nats kv get ledger "account.$user" --raw >"$tmp/revision"
  expect "count" "$(field count <"$tmp/revision")" "$purchases"
  expect "total in cents, as the history adds up to" "$(field total <"$tmp/revision")" "$cents"

  shown kv history ledger "account.$user"
  some_rows 5
  newest=$(get "/users/$user/purchases/$3" | field ledgerSequence)
  expect "the newest revision brought the newest purchase" "$(column Revision | tail -n 1)" "$newest"

  shown_when all_consumed consumer report PURCHASES
  rows
  expect "consumers, one for each partition" "$(how_many Consumer)" "$partitions"
  expect "purchases not processed or not acknowledged" "$(open_purchases)" 0

  shown_when all_served micro list
  rows
  expect "services, one for each partition" "$(how_many ID)" "$partitions"
}

./start.sh || fail "start.sh failed"
show_generate
show_duplicates
show_kill
big_cents=$sum
big_newest=$(tail -n 1 "$tmp/ids")
show_post_twice

nats_url=${NATS_URL:-nats://127.0.0.1:${NATS_PORT:-4222}}
if nats_cli=$(scripts/nats.sh cli); then
  show_inside "$big" "$big_cents" "$big_newest"
else
  title "There is no nats command line tool here, so this does not look inside the broker."
fi

printf '\nAll of it goes on running. Stop it with %sscripts/stop.sh\n' "${DATA_DIR:+DATA_DIR=$DATA_DIR }"
echo ok
