#!/bin/sh
# Runs the official conformance suite against `portcullis serve`, through a proxy that brings a token along, and holds
# the results against what is expected to fail. It needs node 22 or later, and fetches the suite with npx.
# PORTCULLIS names the program.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=${PORTCULLIS:-$here/../../target/debug/portcullis}
major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
if [ "${major:-0}" -lt 22 ]; then
    echo "skipped: the conformance suite needs node 22 or later" >&2
    exit 0
fi
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
port=${PORT:-8641}
proxied=$((port + 1))
export PORTCULLIS_SECRET=a-secret-for-the-conformance-suite
export GATE_URL=http://127.0.0.1:$port/mcp
"$program" serve --listen "127.0.0.1:$port" --quiet --rate off --allow-origin "http://127.0.0.1:$proxied" \
    --allow-origin "http://localhost:$proxied" >"$work/served" 2>&1 &
pids=$!
TOKEN=$("$program" issue conformance -p admin --audience "$GATE_URL") PORT=$proxied node "$here/proxy.mjs" &
pids="$pids $!"
until grep -q serving "$work/served" && curl -s -o "$work/probe" "http://127.0.0.1:$proxied/"; do sleep 0.1; done
status=0
for revision in 2025-11-25 2026-07-28; do
    # It exits with 1 because of what is expected to fail, too.
    npx --yes @modelcontextprotocol/conformance@0.2.0-alpha.12 server --url "http://127.0.0.1:$proxied/mcp" \
        --requirements "$revision" --output-dir "$work/$revision" >"$work/$revision.log" 2>&1 || true
    echo "revision $revision:"
    node "$here/compare.mjs" "$work/$revision" "$here/expected-$revision.txt" || status=1
done
exit $status
