#!/usr/bin/env bash
# Runs three brokers on this machine, which replicate everything. The ledger goes on while any one of the three brokers
# is gone.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/stop.sh
source scripts/stop.sh

usage() {
  cat <<'TEXT'
usage: scripts/cluster.sh start|stop|status|restart|move

  start     starts the brokers that do not run, and waits until all three are healthy
  stop      stops them
  status    prints the state of each; exits 1 unless all three are healthy
  restart   restarts one after the other, and waits until each is healthy
  move      moves the data of the one broker of start.sh to a new cluster, and keeps a copy

Settings, by environment variable; each port is that of the first broker, and the other two take the
two after it:
  NATS_PORT           for clients                 (4222)
  NATS_ROUTE_PORT     between the brokers         (6222)
  DATA_DIR            where data, logs and pids are kept (.data)
TEXT
}

nats_port=${NATS_PORT:-4222}
route_port=${NATS_ROUTE_PORT:-6222}
settings="NATS_PORT=$nats_port NATS_ROUTE_PORT=$route_port"
node=$root/node_modules/.bin/node
names=(broker-1 broker-2 broker-3)
stores=$data/cluster
# The longest wait for a healthy broker. A broker that comes back has to catch up first.
ready_seconds=120

# Prints the port of broker $2 if the first broker has port $1.
port_of() { echo $(($1 + ${2##*-} - 1)); }

# Prints the ports of all three brokers, which each broker gets. A new cluster knows from the number of ports
# how many brokers make a majority.
routes() {
  local name list=""
  for name in "${names[@]}"; do list="$list,$(port_of "$route_port" "$name")"; done
  echo "${list#,}"
}

check_start() {
  local name running
  [[ -d $stores || ! -d $data/nats ]] ||
    fail "$data/nats has the data of one broker, and a cluster would begin without it. Run scripts/cluster.sh move first."
  for name in "${names[@]}"; do
    if runs "$name"; then
      running=$(cat "$run/cluster-settings" 2>/dev/null || true)
      [[ $running == "$settings" ]] || fail "$name runs already, with other settings ($running). Run scripts/stop.sh first."
    else
      check_free 127.0.0.1 "$(port_of "$nats_port" "$name")" NATS_PORT
      check_free 127.0.0.1 "$(port_of "$route_port" "$name")" NATS_ROUTE_PORT
    fi
  done
}

# Prints the state of broker $1, as broker-state.ts does. Prints nothing if the broker does not answer.
state_of() {
  "$node" "$root/scripts/broker-state.ts" --key "$keys/monitor.nk" \
    "nats://127.0.0.1:$(port_of "$nats_port" "$1")" 2>/dev/null || true
}

# Prints the value of the JavaScript expression $1, in which "answer" is the JSON on stdin. Fails if there
# is no JSON, or if the expression throws.
of_json() {
  "$node" -p "const answer = JSON.parse(require('node:fs').readFileSync(0, 'utf8')); $1" 2>/dev/null
}

start_brokers() {
  local name pid server
  check_start
  server=$(env -u NATS_URL scripts/nats.sh server)
  write_broker_files --routes "$(routes)"
  echo "$settings" >"$run/cluster-settings"
  for name in "${names[@]}"; do
    if pid=$(pid_of "$name"); then
      echo "$name runs already (pid $pid)"
      continue
    fi
    NATS_ROUTE_PORT=$(port_of "$route_port" "$name") launch_broker "$server" "$name" \
      "$(port_of "$nats_port" "$name")" "$stores/$name" --server_name "purchase-ledger-${name##*-}"
  done
  wait_until_healthy
}

wait_until_healthy() {
  local name deadline=$((SECONDS + ready_seconds))
  for name in "${names[@]}"; do
    until [[ $(state_of "$name") == "yes "*" ok" ]]; do
      runs "$name" || not_ready "$name" "$name ended before it was ready"
      ((SECONDS <= deadline)) || not_ready "$name" "$name was not healthy, or knew no leader of each stream, within $ready_seconds s"
    done
  done
}

start() {
  begin_start
  start_brokers
  ready=1
}

status() {
  local name pid state leads all_healthy=1
  for name in "${names[@]}"; do
    if ! pid=$(pid_of "$name"); then
      all_healthy=0
      echo "$name: does not run"
      continue
    fi
    read -r _ leads state <<<"$(state_of "$name")" || true
    if [[ $state == ok ]]; then
      state=healthy
    else
      all_healthy=0
      state="not healthy: ${state:-no answer}"
    fi
    if [[ $leads == "purchase-ledger-${name##*-}" ]]; then leads=", leader"; else leads=""; fi
    echo "$name: $state (pid $pid, nats://127.0.0.1:$(port_of "$nats_port" "$name")$leads)"
  done
  ((all_healthy))
}

# Restarts one broker after another. A broker is healthy when it has caught up with the writes that it missed. The next
# broker must not stop before that, because two stopped brokers leave no majority.
restart() {
  local name
  begin_start
  start_brokers
  # A failure after this line must not stop the brokers that are up again.
  ready=1
  for name in "${names[@]}"; do
    scripts/stop.sh "$name"
    start_brokers >/dev/null
    echo "$name: healthy again"
  done
}

# Prints the state of stream $2 on the server $1 without its consumers, because workers make new ones.
contents() {
  "$nats" --no-context --nkey "$keys/admin.nk" -s "$1" stream info "$2" --json --no-select 2>/dev/null |
    of_json 'const { consumer_count, ...held } = answer.state; Object.entries(held).map((one) => one.join(":")).join()'
}

# Restores stream $2 from the backup in $3 through the server $1. Tries again, because that server may not
# know the broker yet that takes the stream. Removes what a failed attempt left of the stream.
restore() {
  local attempt
  for attempt in 1 2 3 4 5; do
    ((attempt == 1)) || "$nats" --no-context --nkey "$keys/admin.nk" -s "$1" stream rm -f "$2" || sleep 1
    "$nats" --no-context --nkey "$keys/admin.nk" -s "$1" backup restore stream "$3" --replicas 3 --no-progress && return
  done
  return 1
} >>"$logs/move.log" 2>&1

# Moves the streams of a single broker into a new cluster. A broker of a cluster removes streams that its cluster does
# not know, so the streams are moved by a backup. The new stores get their final name when they are complete, and the
# old store is only renamed. For this reason nothing is lost wherever `move` stops.
move() {
  local name stream backup deadline url="nats://127.0.0.1:$nats_port" streams=(KV_journal PURCHASES)
  begin_start
  [[ -d $data/nats ]] || fail "there is no data of one broker in $data/nats"
  [[ ! -e $data/cluster ]] || fail "there is a cluster in $data/cluster already"
  [[ ! -e $data/nats-moved ]] || fail "$data/nats-moved is left from an earlier move. Move it away first."
  for name in "$run"/*.pid; do
    name=$(basename "$name" .pid)
    ! runs "$name" || fail "$name runs. Run scripts/stop.sh first."
  done
  nats=$(scripts/nats.sh cli)
  server=$(env -u NATS_URL scripts/nats.sh server)
  stores=$data/cluster-moving
  backup=$stores/backup
  rm -rf "$stores"
  mkdir -p "$backup"
  check_start

  write_broker_files
  launch_broker "$server" broker "$nats_port" "$data/nats"
  # In this loop only one broker runs, so it has no leaders to know.
  deadline=$((SECONDS + ready_seconds))
  until [[ $(state_of broker-1) == *" ok" ]]; do
    ((SECONDS <= deadline)) || not_ready broker "broker was not ready within $ready_seconds s"
  done
  for stream in "${streams[@]}"; do
    contents "$url" "$stream" >"$backup/$stream.contents" || fail "$data/nats has no stream $stream"
    "$nats" --no-context --nkey "$keys/admin.nk" -s "$url" backup stream "$stream" "$backup/$stream" --no-consumers --no-progress \
      >>"$logs/move.log" 2>&1 || not_ready move "$stream could not be backed up"
  done
  scripts/stop.sh broker

  start_brokers
  for stream in "${streams[@]}"; do
    restore "$url" "$stream" "$backup/$stream" || not_ready move "$stream could not be restored"
    contents "$url" "$stream" | cmp -s - "$backup/$stream.contents" || fail "$stream is not the same as before"
    echo "$stream is the same as before: $(cat "$backup/$stream.contents")"
  done
  wait_until_healthy
  scripts/stop.sh "${names[@]}"

  rm -rf "$backup"
  mv "$stores" "$data/cluster"
  mv "$data/nats" "$data/nats-moved"
  ready=1
  echo "Moved. ./start.sh uses the cluster from now on; $data/nats-moved is the old store. Remove it when you are sure."
}

case "${1-}" in
  start | status | restart | move)
    [[ -x $node ]] || node=$(type -P node) || fail "Node.js is missing. Run npm ci in $root."
    "$1"
    ;;
  stop) scripts/stop.sh "${names[@]}" ;;
  --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
