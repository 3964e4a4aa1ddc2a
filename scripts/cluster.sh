#!/usr/bin/env bash
# Runs three brokers on this machine, which replicate everything. The ledger goes on while any one of
# them is gone.
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
  NATS_MONITOR_PORT   for monitoring              (8222)
  NATS_ROUTE_PORT     between the brokers         (6222)
  DATA_DIR            where data, logs and pids are kept (.data)
TEXT
}

nats_port=${NATS_PORT:-4222}
monitor_port=${NATS_MONITOR_PORT:-8222}
route_port=${NATS_ROUTE_PORT:-6222}
settings="NATS_PORT=$nats_port NATS_MONITOR_PORT=$monitor_port NATS_ROUTE_PORT=$route_port"
node=$root/node_modules/.bin/node
names=(broker-1 broker-2 broker-3)
stores=$data/cluster
# The longest wait for a healthy broker. A broker that comes back has to catch up first.
ready_seconds=120

# Prints the port of broker $2 if the first broker has port $1.
port_of() { echo $(($1 + ${2##*-} - 1)); }

# Prints the addresses of all three brokers, which each broker gets. A new cluster knows from the number
# of addresses how many brokers make a majority.
routes() {
  local name list=""
  for name in "${names[@]}"; do list="$list,nats://127.0.0.1:$(port_of "$route_port" "$name")"; done
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
      check_free 127.0.0.1 "$(port_of "$monitor_port" "$name")" NATS_MONITOR_PORT
      check_free 127.0.0.1 "$(port_of "$route_port" "$name")" NATS_ROUTE_PORT
    fi
  done
}

# Prints the body of the answer of broker $1's monitoring at the path $2.
monitoring() {
  local answer
  answer=$(http_get 127.0.0.1 "$(port_of "$monitor_port" "$1")" "$2") || true
  echo "${answer#*$'\n\r\n'}"
}

# Prints the value of the JavaScript expression $1, in which "answer" is the JSON on stdin. Fails if there
# is no JSON, or if the expression throws.
of_json() {
  "$node" -p "const answer = JSON.parse(require('node:fs').readFileSync(0, 'utf8')); $1" 2>/dev/null
}

# Prints the broker that leads the group which decides on streams, as broker $1 knows it.
leader_by() { monitoring "$1" /jsz | of_json 'answer.meta_cluster.leader.replace("purchase-ledger", "broker")'; }

# Succeeds if broker $1 knows the leader of the group which decides on streams, and of each stream.
# A broker that knows no leader of a stream calls itself healthy, but nothing answers for the stream.
knows_leaders() {
  local groups='[answer.meta_cluster, ...(answer.account_details ?? [])
    .flatMap((account) => (account.stream_detail ?? []).map((stream) => stream.cluster))]'
  [[ $(monitoring "$1" "/jsz?accounts=1&streams=1" | of_json "$groups.every((group) => group.leader)") == true ]]
}

start_brokers() {
  local name pid server
  check_start
  server=$(env -u NATS_URL scripts/nats.sh server)
  echo "$settings" >"$run/cluster-settings"
  for name in "${names[@]}"; do
    if pid=$(pid_of "$name"); then
      echo "$name runs already (pid $pid)"
      continue
    fi
    launch_broker "$server" "$name" "$(port_of "$nats_port" "$name")" "$(port_of "$monitor_port" "$name")" \
      "$stores/$name" --server_name "purchase-ledger-${name##*-}" --cluster_name purchase-ledger \
      --cluster "nats://127.0.0.1:$(port_of "$route_port" "$name")" --routes "$(routes)"
  done
  wait_until_healthy
}

wait_until_healthy() {
  local name deadline=$((SECONDS + ready_seconds))
  for name in "${names[@]}"; do
    wait_for 127.0.0.1 "$(port_of "$monitor_port" "$name")" /healthz "${names[@]}"
    until knows_leaders "$name"; do
      ((SECONDS <= deadline)) || not_ready "$name" "$name knew no leader of each stream within $ready_seconds s"
      sleep 0.1
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
    state=$(monitoring "$name" /healthz)
    if [[ $state == *'"ok"'* ]]; then
      state=healthy
    else
      all_healthy=0
      state="not healthy: ${state:-no answer}"
    fi
    leads=""
    [[ $(leader_by "$name") != "$name" ]] || leads=", leader"
    echo "$name: $state (pid $pid, nats://127.0.0.1:$(port_of "$nats_port" "$name")," \
      "monitoring http://127.0.0.1:$(port_of "$monitor_port" "$name")$leads)"
  done
  ((all_healthy))
}

# Restarts one broker after another. A broker is healthy when it has caught up with the writes that it
# missed. The next broker must not stop before that, or there is no majority.
restart() {
  local name
  begin_start
  start_brokers
  # A failure from here on must not stop the brokers that are up again.
  ready=1
  for name in "${names[@]}"; do
    scripts/stop.sh "$name"
    start_brokers >/dev/null
    echo "$name: healthy again"
  done
}

# Prints the state of stream $2 on the server $1 without its consumers, because workers make new ones.
contents() {
  "$nats" --no-context -s "$1" stream info "$2" --json --no-select 2>/dev/null |
    of_json 'const { consumer_count, ...held } = answer.state; Object.entries(held).map((one) => one.join(":")).join()'
}

# Restores stream $2 from the backup in $3 through the server $1. Tries again, because that server may not
# know the broker yet that takes the stream. Removes what a failed attempt left of the stream.
restore() {
  local attempt
  for attempt in 1 2 3 4 5; do
    ((attempt == 1)) || "$nats" --no-context -s "$1" stream rm -f "$2" || sleep 1
    "$nats" --no-context -s "$1" backup restore stream "$3" --replicas 3 --no-progress && return
  done
  return 1
} >>"$logs/move.log" 2>&1

# Moves the streams of a single broker into a new cluster. A broker of a cluster removes streams that its
# cluster does not know, so the streams are moved by a backup. The new stores get their final name when
# they are complete, and the old store is only renamed. So nothing is lost wherever this function stops.
move() {
  local name stream backup url="nats://127.0.0.1:$nats_port" streams=(KV_journal PURCHASES)
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

  launch_broker "$server" broker "$nats_port" "$monitor_port" "$data/nats"
  wait_for 127.0.0.1 "$monitor_port" /healthz broker
  for stream in "${streams[@]}"; do
    contents "$url" "$stream" >"$backup/$stream.contents" || fail "$data/nats has no stream $stream"
    "$nats" --no-context -s "$url" backup stream "$stream" "$backup/$stream" --no-consumers --no-progress \
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
