#!/bin/sh
# Exchanges tokens with PyJWT, jose and FastMCP: round trips in both directions for every algorithm, and rotations of the
# key of a running server. Exits with 1 if a check fails, and with 77 if python3, npm or the network is missing.
#
# The libraries are installed into target/interop and stay there between runs. PORTCULLIS is the program to test; the
# default is the debug build, which is built if it does not exist. COUNT is the number of claim sets for each algorithm and
# direction, 20 by default.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
cache=$target/interop

leave_out() {
    echo "interoperability: left out, $1"
    exit 77
}

command -v python3 >/dev/null || leave_out "python3 is missing"
command -v node >/dev/null && command -v npm >/dev/null || leave_out "node or npm is missing"
# Pinned, so that a failure is ours. Newer versions are tried by changing these.
packages='PyJWT==2.15.1 cryptography==50.0.2 fastmcp==4.2.3'
jose=6.2.18
python=$cache/python/bin/python
installed() {
    "$python" -m pip freeze 2>/dev/null
}
is_missing() {
    for package in $packages; do
        installed | grep -qixF "$package" || return 0
    done
    return 1
}
if is_missing; then
    mkdir -p "$cache"
    python3 -m venv "$cache/python" || leave_out "python3 cannot make an environment"
    # shellcheck disable=SC2086 # one word for each package
    "$python" -m pip install --quiet $packages >"$cache/pip.log" 2>&1 ||
        leave_out "pip could not fetch the libraries (see $cache/pip.log)"
fi
if ! grep -qF "\"version\": \"$jose\"" "$cache/node_modules/jose/package.json" 2>/dev/null; then
    # Without a package.json of its own, npm would look for one in the directories above.
    echo '{ "private": true }' >"$cache/package.json"
    npm install --prefix "$cache" --no-save --ignore-scripts --no-audit --no-fund --loglevel error "jose@$jose" \
        >"$cache/npm.log" 2>&1 || leave_out "npm could not fetch jose (see $cache/npm.log)"
fi

PORTCULLIS=${PORTCULLIS:-$target/debug/portcullis}
[ -x "$PORTCULLIS" ] || (cd "$root" && cargo build --locked --quiet)
JOSE=$cache/node_modules/jose/dist/webapi/index.js
export PORTCULLIS JOSE
# No compiled files beside the scripts.
export PYTHONDONTWRITEBYTECODE=1
"$python" "$here/roundtrip.py" --count "${COUNT:-20}"
"$python" "$here/rotation.py" --fast --count 3
