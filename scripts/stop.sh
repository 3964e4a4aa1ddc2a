#!/usr/bin/env bash
# Stops the processes of start.sh and cluster.sh: first the edges, so that nothing new comes in, then the
# workers, then the brokers. Each process finishes its work before it ends. Both scripts read this file
# for the functions that they share.
#
#   scripts/stop.sh            stops everything
#   scripts/stop.sh NAME...    stops only these: worker-1, or all of a kind: worker
#   scripts/stop.sh --kill worker
#                              kills all workers with -9, as a crash would
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$(pwd -P)
data=${DATA_DIR:-.data}
[[ $data == /* ]] || data=$root/$data
run=$data/run
logs=$data/logs
keys=$data/keys
ready_seconds=30
# Data, logs and the addresses of brokers are for their owner alone.
umask_before=$(umask)
umask 077

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# Minimal images have no ps, and macOS has no /proc.
command_of() {
  if [[ -d /proc/self ]]; then
    tr '\0' ' ' <"/proc/$1/cmdline"
  else
    ps -ww -o args= -p "$1"
  fi
} 2>/dev/null

# Prints the pid of the process called $1, if the process lives. Compares the command too, because another program may
# have got the same pid.
pid_of() {
  local pid command
  pid=$(cat "$run/$1.pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
  command=$(command_of "$pid") || return 1
  case "$1" in
    # An earlier version started the broker with the second of the files in this pattern.
    broker | broker-*) [[ $command == *"nats-server -c $keys/broker.conf"* || $command == *"nats-server -c $root/nats.conf"* ]] ;;
    *) [[ $command == *"$root/src/main.ts --role ${1%-*}"* ]] ;;
  esac && echo "$pid"
}

runs() { pid_of "$1" >/dev/null; }

# Takes the lock of a script, so that two runs do not overwrite the pids of each other. The lock is a link
# that names the pid of its holder, because a link appears at once with its content. If this run ends
# before it sets ready, the processes that it started are stopped.
begin_start() {
  local folder
  mkdir -p "$run" "$logs"
  # An earlier version made folders that others can read.
  for folder in "$run" "$logs" "$keys" "$data/nats" "$data/cluster"; do
    [[ ! -d $folder ]] || chmod 700 "$folder"
  done
  lock=$run/${0##*/}.lock
  until ln -s $$ "$lock" 2>/dev/null; do
    [[ $(command_of "$(readlink "$lock")") == *"${0##*/}"* ]] || rm -f "$lock"
    sleep 0.05
  done
  started=()
  ready=0
  trap end_start EXIT
  trap 'exit 130' INT TERM HUP
}

end_start() {
  if ((!ready && ${#started[@]})); then
    scripts/stop.sh "${started[@]}" >&2
  fi
  rm -f "$lock"
}

check_free() {
  if (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; then
    fail "port $2 on $1 is taken by another program. Set $3 to a port that is free."
  fi
}

# Starts a process in a session of its own, so that it outlives the terminal. nohup is not enough, because
# Node resets the signals that it inherits. Uses perl on macOS, which has no setsid(1).
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

# Makes the missing keys of the broker's users, and writes the broker's configuration. A broker that runs
# takes the change of its users at once. Further options of broker-files.ts follow.
write_broker_files() {
  local name pid before=""
  before=$(cat "$keys/broker.conf" 2>/dev/null || true)
  "$node" "$root/scripts/broker-files.ts" --directory "$keys" "$@" || fail "the keys of the broker could not be made"
  [[ $(cat "$keys/broker.conf") != "$before" ]] || return 0
  for name in broker broker-1 broker-2 broker-3; do
    if pid=$(pid_of "$name"); then kill -HUP "$pid"; fi
  done
}

# Starts the server $1 under the name $2, with the port $3 for clients and its data in $4. Further options of
# nats-server follow. A broker of a cluster gets the variable NATS_ROUTE_PORT.
launch_broker() {
  local server=$1 name=$2 port=$3 store=$4
  shift 4
  # The quotes are for the parser of nats.conf, in case the path has a space.
  launch "$name" env NATS_PORT="$port" NATS_STORE_DIR="\"$store\"" "$server" -c "$keys/broker.conf" "$@"
}

# Prints the answer of http://$1:$2$3, with its status and headers. The request names localhost as its host, because $1
# may be 0.0.0.0, which is no name of an edge.
http_get() {
  local line=""
  (
    exec 3<>"/dev/tcp/$1/$2"
    printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$3" >&3
    # The last line of the answer has no line break.
    while IFS= read -r -t 2 line <&3 || [[ -n $line ]]; do echo "$line"; done
  ) 2>/dev/null
}

answers_200() { [[ $(http_get "$@") == HTTP/1.?" 200 "* ]]; }

# Waits until http://$1:$2$3 answers 200 while the processes that the rest names live.
wait_for() {
  local name deadline=$((SECONDS + ready_seconds)) address=("$1" "$2" "$3")
  shift 3
  while true; do
    for name in "$@"; do
      kill -0 "$(cat "$run/$name.pid")" 2>/dev/null || not_ready "$name" "$name ended before it was ready"
    done
    if answers_200 "${address[@]}"; then
      return
    fi
    ((SECONDS <= deadline)) || not_ready "$name" "$name was not ready within $ready_seconds s"
    sleep 0.05
  done
}

not_ready() {
  echo "The last lines of $logs/${1%-*}.log:" >&2
  tail -n 20 "$logs/${1%-*}.log" >&2
  fail "$2"
}

[[ ${BASH_SOURCE[0]} == "$0" ]] || return 0

drain_seconds=15
signal=TERM
if [[ ${1-} == --kill ]]; then
  signal=KILL
  shift
fi
only=" $* "
nothing=1

for kind in edge judge worker setup broker; do
  names=""
  for file in "$run/$kind"*.pid; do
    name=$(basename "$file" .pid)
    [[ -e $file && ($only == "  " || $only == *" $name "* || $only == *" $kind "*) ]] || continue
    if pid=$(pid_of "$name"); then
      kill "-$signal" "$pid" 2>/dev/null || true
      names="$names $name"
    else
      rm -f "$file"
    fi
  done

  deadline=$((SECONDS + drain_seconds))
  for name in $names; do
    nothing=0
    outcome="stopped"
    [[ $signal == TERM ]] || outcome="killed"
    while pid=$(pid_of "$name"); do
      if ((SECONDS > deadline)); then
        kill -KILL "$pid" 2>/dev/null || true
        outcome="killed, as it had not ended within $drain_seconds s"
      fi
      sleep 0.05
    done
    rm -f "$run/$name.pid"
    echo "$name: $outcome"
  done
done

if ((nothing)); then
  echo "Nothing is running."
fi
