#!/bin/sh
# Runs the official MCP conformance suite against `portcullis serve` and compares the results with the expected-*.txt
# files. Exits with 1 if a check does not end as expected, and with 77 if npm or the network is missing.
#
# The suite is installed by npm into target/conformance and stays there between runs. It needs node 22 or later; where
# the node on the PATH is older, node 24 is installed beside it. PORTCULLIS is the program to test; the default is the
# debug build, which is built if it does not exist.
set -eu
suite_version=0.2.0-alpha.12
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
cache=$target/conformance
suite=$cache/node_modules/@modelcontextprotocol/conformance/dist/index.js

leave_out() {
    echo "conformance suite: left out, $1"
    exit 77
}

# Whether this node exists and is new enough for the suite.
is_recent() {
    "$1" -e 'process.exit(parseInt(process.versions.node) < 22 ? 1 : 0)' 2>/dev/null
}

# Whether everything is installed and runs.
is_installed() {
    is_recent "$node" && [ "$("$node" "$suite" --version 2>/dev/null)" = "$suite_version" ]
}

node=node
packages=@modelcontextprotocol/conformance@$suite_version
if ! is_recent node; then
    # The package `node` would need an install script to fetch this one.
    platform=$(node -p '`${process.platform}-${process.arch}`' 2>/dev/null) || leave_out "node and npm are missing"
    node=$cache/node_modules/node-$platform/bin/node
    packages="$packages node-$platform@24"
fi
if ! is_installed; then
    command -v npm >/dev/null || leave_out "npm is missing"
    mkdir -p "$cache"
    # Without a package.json of its own, npm would look for one in the directories above.
    echo '{ "private": true }' >"$cache/package.json"
    # The packages are separate words. Their dependencies may warn about the older node that npm itself runs on.
    # shellcheck disable=SC2086
    npm install --prefix "$cache" --no-save --ignore-scripts --no-audit --no-fund --loglevel error \
        --fetch-retries 1 --fetch-retry-mintimeout 1000 --fetch-timeout 120000 \
        $packages >"$cache/npm.log" 2>&1 || leave_out "npm could not fetch it (see $cache/npm.log)"
    is_installed || leave_out "what npm fetched does not run (see $cache/npm.log)"
fi

program=${PORTCULLIS:-$target/debug/portcullis}
if [ -z "${PORTCULLIS:-}" ] && [ ! -x "$program" ]; then
    (cd "$root" && cargo build --locked --quiet)
fi
exec "$node" "$here/run.mjs" "$program" "$suite" "$cache/results"
