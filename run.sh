#!/usr/bin/env bash
# Shows the system at its work: starts what does not run yet, has scripts/demo send purchases,
# duplicates and repeats and kill the worker in the middle of its work, looks inside the broker, and
# holds everything that it says against what comes back. Takes the settings of start.sh. Ends with
# "ok", or says what was wrong and exits 1.
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

host=${HOST:-127.0.0.1}
[[ $host != *:* ]] || host="[$host]"
base=http://$host:${PORT:-8081}
node=$root/node_modules/.bin/node

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

title() { printf '\n== %s\n' "$*"; }

# A claim: what $1 says, with what came back as $2 and what has to come as $3.
expect() {
  [[ $2 == "$3" ]] || fail "$1: came back as '$2', and should be '$3'"
  echo " ✓ $1: $2"
}

# Prints the member $1 of the JSON object on stdin.
member() { "$node" -p 'JSON.parse(require("node:fs").readFileSync(0, "utf8"))[process.argv[1]]' "$1"; }

# Prints the amount $1 of the JSON object on stdin in cents, from its text.
in_cents() { sed -nE "s/.*\"$1\":([0-9]+)\.([0-9]{2})[,}].*/\1\2/p" | sed -E 's/^0+([0-9])/\1/'; }

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

# The user whose purchases the killed worker left is $1, with $2 purchases and $3 cents; the sequence of
# the newest commit that holds some of them is $4.
show_inside() {
  local user=$1 purchases=$2 cents=$3 newest=$4 partition
  shown stream info PURCHASES
  lines '^ *(Subject Transform|Storage|Retention|Duplicate Window|purchases.partitions|Messages|Bytes|Last Sequence):'
  partitions=$(awk '$1 == "purchases.partitions:" { print $2 }' "$tmp/shown")

  title "nats req ledger.account.$user ''"
  nats req "ledger.account.$user" '' --raw --replies 1 >"$tmp/account" 2>"$tmp/said"
  sed 's/^/   /' "$tmp/account"
  expect "purchases" "$(member purchaseCount <"$tmp/account")" "$purchases"
  expect "total in cents, as the history adds up to" "$(in_cents total <"$tmp/account")" "$cents"
  expect "newest commit of the account" "$(member newestCommit <"$tmp/account")" "$newest"
  partition=$(member partition <"$tmp/account")

  title "nats kv get journal commit.$partition --raw"
  nats kv get journal "commit.$partition" --raw >"$tmp/commit"
  cut -c 1-120 "$tmp/commit" | sed 's/^/   /'
  expect "version of the record" "$(head -n 1 "$tmp/commit" | member v)" 2
  expect "worker that owns the partition" "$(head -n 1 "$tmp/commit" | member worker)" "$(member worker <"$tmp/account")"

  shown kv history journal "commit.$partition"
  some_rows 5
  expect "commits of the partition, with that of the newest purchase" "$(column Revision | grep -cx "$newest")" 1

  shown_when all_consumed consumer report PURCHASES
  rows
  expect "consumers, one for each partition" "$(how_many Consumer)" "$partitions"
  expect "purchases not processed or not acknowledged" "$(open_purchases)" 0

  shown_when all_served micro list
  rows
  expect "services, one for each partition" "$(how_many ID)" "$partitions"
}

./start.sh || fail "start.sh failed"
# The proxy of the environment is for elsewhere.
env -u NODE_OPTIONS -u NODE_USE_ENV_PROXY \
  "$node" scripts/demo/main.ts --url "$base" --survivor "$tmp/survivor" || exit 1

nats_url=${NATS_URL:-nats://127.0.0.1:${NATS_PORT:-4222}}
if nats_cli=$(scripts/nats.sh cli); then
  read -r user purchases cents newest <"$tmp/survivor"
  show_inside "$user" "$purchases" "$cents" "$newest"
else
  title "There is no nats command line tool here, so this does not look inside the broker."
fi

printf '\nAll of it goes on running. Stop it with %sscripts/stop.sh\n' "${DATA_DIR:+DATA_DIR=$DATA_DIR }"
echo ok
