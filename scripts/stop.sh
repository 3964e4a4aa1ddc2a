#!/usr/bin/env bash
# Stops what start.sh started: first the edges, so that nothing new comes in, then the workers, then
# the broker. Each may finish what it has begun. start.sh reads this file for its functions.
#
#   scripts/stop.sh            stops everything
#   scripts/stop.sh NAME...    stops only these, for instance worker-1
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$(pwd -P)
data=${DATA_DIR:-.data}
[[ $data == /* ]] || data=$root/$data
run=$data/run

# Minimal images have no ps, and macOS has no /proc.
command_of() {
  if [[ -d /proc/self ]]; then
    tr '\0' ' ' <"/proc/$1/cmdline"
  else
    ps -ww -o args= -p "$1"
  fi
} 2>/dev/null

# Prints the pid of the process called $1, if it lives. Its command tells, because another program
# can have got the pid since.
pid_of() {
  local pid command
  pid=$(cat "$run/$1.pid" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
  command=$(command_of "$pid") || return 1
  case "$1" in
    broker) [[ $command == *"nats-server -c $root/nats.conf"* ]] ;;
    *) [[ $command == *"$root/src/main.ts --role ${1%-*}"* ]] ;;
  esac && echo "$pid"
}

[[ ${BASH_SOURCE[0]} == "$0" ]] || return 0

drain_seconds=15
only=" $* "
nothing=1

for kind in edge worker broker; do
  names=""
  for file in "$run/$kind"*.pid; do
    name=$(basename "$file" .pid)
    [[ -e $file && ($only == "  " || $only == *" $name "*) ]] || continue
    if pid=$(pid_of "$name"); then
      kill -TERM "$pid" 2>/dev/null || true
      names="$names $name"
    else
      rm -f "$file"
    fi
  done

  deadline=$((SECONDS + drain_seconds))
  for name in $names; do
    nothing=0
    outcome="stopped"
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
