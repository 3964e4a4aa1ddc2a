#!/usr/bin/env bash
# Builds promtool with Go, which checks deploy/alerts.yaml, and prints its path. The build needs no root, and takes some
# minutes. `go install` refuses the module of Prometheus, because its go.mod has exclusions. For this reason a module of
# this script asks for the module of Prometheus.
set -euo pipefail

version=0.316.0
module=github.com/prometheus/prometheus
module_hash=h1:f1GRFerhTMKQma+awCoC9T820ecWeGSdF+xAlMHzZzM=

cache=${PURCHASE_LEDGER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/purchase-ledger}
program=$cache/promtool-v$version/promtool
if [[ ! -x $program ]]; then
  mkdir -p "$cache"
  tmp=$(mktemp -d "$cache/tmp.XXXXXX")
  trap 'rm -rf "$tmp"' EXIT
  cd "$tmp"
  go mod init promtool >&2
  go get "$module/cmd/promtool@v$version" >&2
  if ! grep -qxF "$module v$version $module_hash" go.sum; then
    echo "promtool.sh: the module has another hash than $module_hash" >&2
    exit 1
  fi
  CGO_ENABLED=0 go build -o promtool "$module/cmd/promtool"
  mkdir -p "${program%/*}"
  mv promtool "$program"
fi
echo "$program"
