#!/usr/bin/env bash
# Installs what is missing, and starts what does not run yet of the broker, the worker and the edge.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/stop.sh
source scripts/stop.sh

usage() {
  cat <<'TEXT'
usage: ./start.sh [--workers N] [--edges N]

Installs what is missing, starts the broker, the workers and the edges (one of each, unless told
otherwise) in the background, and waits until they are ready. What runs already stays.
scripts/stop.sh stops everything.

Settings, by environment variable:
  HOST, PORT          where the edge listens; further edges take the ports after it
                                                         (127.0.0.1, 8081)
  NATS_PORT           port of the broker                 (4222)
  NATS_MONITOR_PORT   port of the broker's monitoring    (8222)
  NATS_URL            a broker that runs already, to use instead of an own one
  DATA_DIR            where data, logs and pids are kept (.data)
TEXT
}

wrong_usage() {
  echo "start.sh: $*" >&2
  usage >&2
  exit 2
}

workers=1
edges=1
while (($#)); do
  case "$1" in
    --help)
      usage
      exit
      ;;
    --workers | --edges)
      [[ ${2-} =~ ^[1-9][0-9]?$ ]] || wrong_usage "$1 takes a number from 1 to 99"
      declare "${1#--}=$2"
      shift 2
      ;;
    *)
      wrong_usage "unknown option $1"
      ;;
  esac
done

host=${HOST:-127.0.0.1}
port=${PORT:-8081}
nats_port=${NATS_PORT:-4222}
monitor_port=${NATS_MONITOR_PORT:-8222}
logs=$data/logs
node=$root/node_modules/.bin/node
names=()
for ((number = 1; number <= workers; number++)); do names+=("worker-$number"); done
for ((number = 1; number <= edges; number++)); do names+=("edge-$number"); done
settings="HOST=$host PORT=$port"
if [[ -n ${NATS_URL-} ]]; then
  nats_url=$NATS_URL
  # What is shown and kept does not contain passwords.
  broker=$(printf '%s' "$nats_url" | sed 's#[^/,@]*@##g')
  settings="$settings NATS_URL=$broker"
else
  nats_url=nats://127.0.0.1:$nats_port
  broker="$nats_url (monitoring http://127.0.0.1:$monitor_port)"
  settings="$settings NATS_PORT=$nats_port NATS_MONITOR_PORT=$monitor_port"
  names=(broker "${names[@]}")
fi

fail() {
  echo "start.sh: $*" >&2
  exit 1
}

mkdir -p "$run" "$logs"

# Of two runs at the same time the second waits, or each would overwrite the pids of the other. The
# lock is a link that names the pid of its holder: it appears at once with its content.
lock=$run/starting
until ln -s $$ "$lock" 2>/dev/null; do
  [[ $(command_of "$(readlink "$lock")") == *start.sh* ]] || rm -f "$lock"
  sleep 0.05
done

# Whatever goes wrong before everything is ready, nothing that this run started stays.
started=()
ready=0
finish() {
  if ((!ready && ${#started[@]})); then
    scripts/stop.sh "${started[@]}" >&2
  fi
  rm -f "$lock"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# The first edge has PORT, the second the one after it, and so on.
port_of() { echo $((port + ${1##*-} - 1)); }

runs() { pid_of "$1" >/dev/null; }

check_settings() {
  local name
  for name in broker "${names[@]}"; do
    if runs "$name" && [[ $(cat "$run/settings" 2>/dev/null) != "$settings" ]]; then
      fail "$name runs already, with other settings ($(cat "$run/settings" 2>/dev/null)). Run scripts/stop.sh first."
    fi
  done
}

check_free() {
  if (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; then
    fail "port $2 on $1 is taken by another program. Set $3 to a port that is free."
  fi
}

# npm replaces the whole of node_modules, so a copy of the lock file in there is from our last
# install, and none means that somebody has run npm since.
install() {
  local copy=node_modules/.purchase-ledger-lock npm_record=node_modules/.package-lock.json
  if [[ ! -x $node ]] ||
    ! { cmp -s package-lock.json "$copy" || [[ ! -e $copy && $npm_record -nt package-lock.json ]]; }; then
    type -P npm >/dev/null || fail "npm is missing. Install Node.js 20 or newer."
    echo "Installing the packages of package-lock.json"
    npm ci
  fi
  [[ -e $copy ]] || cp package-lock.json "$copy"
}

# A session of its own keeps a process alive when the terminal closes. nohup would not: Node resets
# the signals it inherits. macOS has no setsid(1), but perl.
launch() {
  local name=$1
  shift
  (
    exec </dev/null >>"$logs/${name%-*}.log" 2>&1
    if type -P setsid >/dev/null; then
      exec setsid "$@"
    else
      exec perl -MPOSIX -e 'POSIX::setsid(); exec @ARGV or die "$ARGV[0]: $!\n"' "$@"
    fi
  ) &
  echo $! >"$run/$name.pid"
  started+=("$name")
}

start() {
  case "$1" in
    broker)
      # The quotes are for the parser of nats.conf, in case the path has a space.
      launch broker env NATS_PORT="$nats_port" NATS_MONITOR_PORT="$monitor_port" \
        NATS_STORE_DIR="\"$data/nats\"" "$server" -c "$root/nats.conf"
      ;;
    *)
      # A worker that comes back under its name takes its partitions at once, where the lease of a
      # stranger would have to end first.
      launch "$1" env -u NODE_OPTIONS HOST="$host" PORT="$(port_of "$1")" NATS_URL="$nats_url" \
        WORKER_ID="${WORKER_ID:-$(uname -n)}-$1" "$node" "$root/src/main.ts" --role "${1%-*}"
      ;;
  esac
}

answers_200() {
  local status=""
  (
    exec 3<>"/dev/tcp/$1/$2"
    printf 'GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n' "$3" "$1" "$2" >&3
    read -r -t 2 _ status _ <&3 && [[ $status == 200 ]]
  ) 2>/dev/null
}

# Waits until http://$1:$2$3 answers 200 while the processes that the rest names live.
wait_for() {
  local name deadline=$((SECONDS + 30)) address=("$1" "$2" "$3")
  shift 3
  while true; do
    for name in "$@"; do
      kill -0 "$(cat "$run/$name.pid")" 2>/dev/null || not_ready "$name" "$name ended before it was ready"
    done
    if answers_200 "${address[@]}"; then
      return
    fi
    ((SECONDS <= deadline)) || not_ready "$name" "$name was not ready within 30 s"
    sleep 0.05
  done
}

not_ready() {
  echo "The last lines of $logs/${1%-*}.log:" >&2
  tail -n 20 "$logs/${1%-*}.log" >&2
  fail "$2"
}

check_settings
if [[ -n ${NATS_URL-} ]]; then
  scripts/nats.sh server >/dev/null || exit 1
elif ! runs broker; then
  check_free 127.0.0.1 "$nats_port" NATS_PORT
  check_free 127.0.0.1 "$monitor_port" NATS_MONITOR_PORT
fi
for name in "${names[@]}"; do
  [[ $name != edge-* ]] || runs "$name" || check_free "$host" "$(port_of "$name")" PORT
done
install
echo "$settings" >"$run/settings"

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
    wait_for 127.0.0.1 "$monitor_port" /healthz broker
  fi
done
for name in "${names[@]}"; do
  [[ $name != edge-* ]] || wait_for "$host" "$(port_of "$name")" /readyz "${names[@]}"
done
ready=1

cat <<TEXT
Ready.
  HTTP     http://$host:$port$( ((edges == 1)) || echo " to $(port_of "edge-$edges")")
  broker   $broker
  logs     $logs
Stop it with ${DATA_DIR:+DATA_DIR=$DATA_DIR }scripts/stop.sh
TEXT
