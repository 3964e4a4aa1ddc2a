#!/usr/bin/env bash
# Shows the system at its work, and starts the processes that do not run yet. scripts/demo then sends purchases,
# duplicates and repeats, kills the worker and the judge in the middle of their work, and looks inside the broker. It
# compares each claim with the answers that come back. Takes the settings of start.sh. Ends with "ok", or says what was
# wrong and exits 1.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"

if (($#)); then
  echo "usage: ./run.sh   (the settings are those of ./start.sh --help)" >&2
  exit 2
fi

host=${HOST:-127.0.0.1}
# A HOST that stands for all addresses of the machine is no address to ask, so localhost is asked.
[[ $host != 0.0.0.0 && $host != :: && $host != 0 ]] || host=localhost
[[ $host != *:* ]] || host="[$host]"

# The dashboard of a demonstration has buttons that store random purchases.
if ! DEMO=${DEMO:-true} ./start.sh; then
  echo "run.sh: start.sh failed" >&2
  exit 1
fi
# start.sh has made this token if callers need one.
if [[ ${AUTH:-none} == tokens ]]; then
  PURCHASES_TOKEN=$(cat "${DATA_DIR:-.data}/operator-token")
  export PURCHASES_TOKEN
fi
# A proxy that the environment names is not for addresses of this machine.
env -u NODE_OPTIONS -u NODE_USE_ENV_PROXY \
  node_modules/.bin/node scripts/demo/main.ts --url "http://$host:${PORT:-8081}" || exit 1

printf '\nAll of it goes on running. Stop it with %sscripts/stop.sh\n' "${DATA_DIR:+DATA_DIR=$DATA_DIR }"
echo ok
