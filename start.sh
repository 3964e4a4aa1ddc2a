#!/usr/bin/env bash
# Installs missing packages, and starts the broker, the workers, the judges and the edges that do not run yet.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/stop.sh
source scripts/stop.sh

usage() {
  cat <<'TEXT'
usage: ./start.sh [--workers N] [--judges N] [--edges N] [--cluster]

Installs missing packages, starts the broker, the workers, the judges and the edges in the background
(by default one of each), and waits until they are ready. Processes that run already stay.
scripts/stop.sh stops everything.

With --cluster, scripts/cluster.sh starts three brokers instead, which replicate everything. Later
starts of such an installation need no --cluster. scripts/cluster.sh move turns an installation with
one broker into one with three.

Settings, by environment variable:
  HOST, PORT          where the edge listens; further edges take the ports after it
                                                         (127.0.0.1, 8081)
  AUTH                tokens: callers need a token. A token of the operator is made, and its file is
                      named at the end                   (none)
  INSECURE_OPEN       yes: the edge may listen where other machines reach it, though it asks nobody
                      who they are                       (no)
  NATS_PORT           port of the broker                 (4222)
  NATS_ROUTE_PORT     port between brokers of a cluster  (6222)
                      Of these two a cluster takes the two ports after them as well.
  NATS_URL            address of another broker; start.sh starts none then
  NATS_NKEY_FILE      keys for that broker, like /keys/{role}.nk
  METRICS_PORT        where the first worker serves its metrics, on 127.0.0.1; further workers, and
                      then the judges, take the ports after it
                                                         (none)
  DATA_DIR            where data, keys, logs and pids are kept (.data)
TEXT
}

wrong_usage() {
  echo "start.sh: $*" >&2
  usage >&2
  exit 2
}

workers=1
judges=1
edges=1
cluster=0
while (($#)); do
  case "$1" in
    --help)
      usage
      exit
      ;;
    --workers | --judges | --edges)
      [[ ${2-} =~ ^[1-9][0-9]?$ ]] || wrong_usage "$1 takes a number from 1 to 99, and got '${2-}'"
      declare "${1#--}=$2"
      shift 2
      ;;
    --cluster)
      cluster=1
      shift
      ;;
    *)
      wrong_usage "unknown option $1"
      ;;
  esac
done

host=${HOST:-127.0.0.1}
port=${PORT:-8081}
nats_port=${NATS_PORT:-4222}
route_port=${NATS_ROUTE_PORT:-6222}
metrics_port=${METRICS_PORT:-0}
auth=${AUTH:-none}
token_file=$data/operator-token
[[ $metrics_port =~ ^[0-9]{1,5}$ ]] || wrong_usage "METRICS_PORT must be a number, and is $metrics_port"
node=$root/node_modules/.bin/node
names=()
for ((number = 1; number <= workers; number++)); do names+=("worker-$number"); done
for ((number = 1; number <= judges; number++)); do names+=("judge-$number"); done
for ((number = 1; number <= edges; number++)); do names+=("edge-$number"); done
settings="HOST=$host PORT=$port"
[[ $auth == none ]] || settings="$settings AUTH=$auth"

# The broker that start.sh starts knows only the keys of start.sh.
use_own_keys() {
  unset NATS_CREDS_FILE NATS_CA_FILE NATS_CERT_FILE NATS_CERT_KEY_FILE
  export NATS_NKEY_FILE="$keys/{role}.nk"
}

if [[ -n ${NATS_URL-} ]]; then
  ((!cluster)) || wrong_usage "--cluster starts brokers of its own, so NATS_URL cannot be set"
  nats_url=$NATS_URL
  # The address is printed and kept without its password.
  broker=$(printf '%s' "$nats_url" | sed 's#//[^,]*@#//#g; s#[^,/]*@##g')
  settings="$settings NATS_URL=$broker"
elif ((cluster)) || [[ -d $data/cluster ]]; then
  cluster=1
  use_own_keys
  nats_url=nats://127.0.0.1:$nats_port,nats://127.0.0.1:$((nats_port + 1)),nats://127.0.0.1:$((nats_port + 2))
  broker="$nats_url (scripts/cluster.sh status)"
  settings="$settings NATS_PORT=$nats_port NATS_ROUTE_PORT=$route_port"
  export REPLICAS=${REPLICAS:-3}
else
  use_own_keys
  nats_url=nats://127.0.0.1:$nats_port
  broker=$nats_url
  settings="$settings NATS_PORT=$nats_port"
  names=(broker "${names[@]}")
fi

begin_start

# The first edge gets PORT, the second edge the port after it, and so on.
port_of() { echo $((port + ${1##*-} - 1)); }

# The first worker gets METRICS_PORT, the second worker the port after it, and so on, and the judges come after the
# workers. 0 means that workers and judges serve no metrics.
metrics_port_of() {
  local before=0
  [[ $1 != judge-* ]] || before=$workers
  echo $((metrics_port == 0 ? 0 : metrics_port + before + ${1##*-} - 1))
}

check_settings() {
  local name
  for name in broker "${names[@]}"; do
    if runs "$name" && [[ $(cat "$run/settings" 2>/dev/null) != "$settings" ]]; then
      fail "$name runs already, with other settings ($(cat "$run/settings" 2>/dev/null)). Run scripts/stop.sh first."
    fi
  done
}

# npm replaces the whole of node_modules. So a copy of the lock file in that folder is from the last install by this
# script. If the copy is missing, somebody has run npm since that install.
install() {
  local copy=node_modules/.purchase-ledger-lock npm_record=node_modules/.package-lock.json
  if [[ ! -x $node ]] ||
    ! { cmp -s package-lock.json "$copy" || [[ ! -e $copy && $npm_record -nt package-lock.json ]]; }; then
    type -P npm >/dev/null || fail "npm is missing. Install Node.js 20 or newer."
    echo "Installing the packages of package-lock.json"
    (umask "$umask_before" && npm ci)
  fi
  [[ -e $copy ]] || cp package-lock.json "$copy"
}

start() {
  local room
  case "$1" in
    broker)
      launch_broker "$server" broker "$nats_port" "$data/nats"
      ;;
    setup)
      NATS_URL=$nats_url launch setup env -u NODE_OPTIONS NODE_COMPILE_CACHE="$root/node_modules/.cache/node" \
        "$node" "$root/src/main.ts" --role setup
      ;;
    *)
      # Most objects live for a moment. More room for them means fewer garbage collections, for which requests wait.
      # No request waits for a judge, so a judge gets less room.
      [[ ${1%-*} == judge ]] && room=32 || room=128
      # Node keeps its compiled code, so that the next start is quicker. A worker that comes back under its name takes
      # its partitions at once. Under another name it would wait until the old lease ends. The address of the broker is
      # no argument, because other users of the machine can read arguments.
      NATS_URL=$nats_url launch "$1" env -u NODE_OPTIONS NODE_COMPILE_CACHE="$root/node_modules/.cache/node" HOST="$host" PORT="$(port_of "$1")" METRICS_PORT="$(metrics_port_of "$1")" \
        WORKER_ID="${WORKER_ID:-$(uname -n)}-$1" "$node" --max-semi-space-size=$room "$root/src/main.ts" --role "${1%-*}"
      ;;
  esac
}

# Creates the streams that are missing. The workers and the edges may only look whether the streams are there.
set_up() {
  local pid deadline=$((SECONDS + ready_seconds))
  start setup
  pid=$(cat "$run/setup.pid")
  while kill -0 "$pid" 2>/dev/null; do
    [[ -n ${NATS_URL-} ]] || ((cluster)) || runs broker || not_ready broker "broker ended before it was ready"
    ((SECONDS <= deadline)) || not_ready setup "the streams were not set up within $ready_seconds s"
    sleep 0.05
  done
  wait "$pid" || not_ready setup "the streams could not be set up"
  rm -f "$run/setup.pid"
}

check_settings
if [[ -n ${NATS_URL-} ]]; then
  scripts/nats.sh server >/dev/null || exit 1
elif ((!cluster)) && ! runs broker; then
  check_free 127.0.0.1 "$nats_port" NATS_PORT
fi
for name in "${names[@]}"; do
  [[ $name != worker-* && $name != judge-* || $metrics_port == 0 ]] || runs "$name" ||
    check_free 127.0.0.1 "$(metrics_port_of "$name")" METRICS_PORT
  [[ $name != edge-* ]] || runs "$name" || check_free "$host" "$(port_of "$name")" PORT
done
install
if ((cluster)); then
  stopped=()
  for name in broker-1 broker-2 broker-3; do runs "$name" || stopped+=("$name"); done
  scripts/cluster.sh start || exit 1
  started+=(${stopped[@]+"${stopped[@]}"})
fi
echo "$settings" >"$run/settings"
if [[ -z ${NATS_URL-} ]] && ((!cluster)); then
  write_broker_files
fi
if [[ -n ${NATS_URL-} ]] || ((cluster)); then
  set_up
fi

for name in "${names[@]}"; do
  if pid=$(pid_of "$name"); then
    echo "$name runs already (pid $pid)"
    continue
  fi
  if [[ $name == broker ]]; then
    server=$(scripts/nats.sh server) || exit 1
  fi
  start "$name"
  if [[ $name == broker ]]; then
    set_up
  fi
done
for name in "${names[@]}"; do
  # Here an edge counts as ready only if stored purchases are also applied.
  [[ $name != edge-* ]] || wait_for "$host" "$(port_of "$name")" "/readyz?applying=required" "${names[@]}"
done
if [[ $auth == tokens && ! -e $token_file ]]; then
  NATS_URL=$nats_url scripts/purchases tokens create --name operator --scopes all --expires never \
    --out "$token_file" >/dev/null || exit 1
fi
ready=1

cat <<TEXT
Ready.
  HTTP     http://$host:$port$( ((edges == 1)) || echo " to $(port_of "edge-$edges")")
  broker   $broker${NATS_NKEY_FILE:+
  keys     ${NATS_NKEY_FILE/\{role\}.nk/}}
  logs     $logs$([[ $auth != tokens ]] || printf '\n  token    %s, for scripts/purchases --token-file and for the dashboard' "$token_file")
Stop it with ${DATA_DIR:+DATA_DIR=$DATA_DIR }scripts/stop.sh
TEXT
