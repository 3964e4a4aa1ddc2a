#!/usr/bin/env bash
# Shows the system at its work: starts what does not run yet, has scripts/demo send purchases,
# duplicates and repeats, kill the worker in the middle of its work, and look inside the broker. Each
# claim is compared with what comes back. Takes the settings of start.sh. Ends with "ok", or says what
# was wrong and exits 1.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"

if (($#)); then
  echo "usage: ./run.sh   (the settings are those of ./start.sh --help)" >&2
  exit 2
fi

host=${HOST:-127.0.0.1}
# All addresses of the machine have no name of their own.
[[ $host != 0.0.0.0 && $host != :: && $host != 0 ]] || host=localhost
[[ $host != *:* ]] || host="[$host]"

if ! ./start.sh; then
  echo "run.sh: start.sh failed" >&2
  exit 1
fi
# The proxy of the environment is for elsewhere.
env -u NODE_OPTIONS -u NODE_USE_ENV_PROXY \
  node_modules/.bin/node scripts/demo/main.ts --url "http://$host:${PORT:-8081}" || exit 1

printf '\nAll of it goes on running. Stop it with %sscripts/stop.sh\n' "${DATA_DIR:+DATA_DIR=$DATA_DIR }"
echo ok
