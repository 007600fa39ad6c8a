#!/usr/bin/env bash
# Builds the console's pages into js/console/dist, which the server's binary contains. Nothing is done if nothing has changed
# since the last time, so that cargo need not compile the server again. `setup.sh` comes before.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

DIST=js/console/dist
STAMP="$DIST/.built"

# Without Node.js the server is built all the same; in CI nothing is left out.
leave_out() {
    [ -z "${CI:-}" ] || die "$1"
    say "the console is not built, and the server says so on its page: $1"
    exit 0
}

# What the pages are made from.
inputs() {
    find js/console js/client/src \( -name node_modules -o -name dist \) -prune -o -type f -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum -- js/package-lock.json | sha256sum
}

have node || leave_out "there is no node"
node_fits ||
    leave_out "it needs Node.js $NODE_MIN or newer, and node says $(node --version)"
[ -d js/node_modules/preact ] || leave_out "its packages are missing: scripts/setup.sh installs them"

WANT="$(inputs)"
if [ "$(cat "$STAMP" 2>/dev/null || true)" = "$WANT" ]; then
    exit 0
fi
step "Building the console"
npm --prefix js run --silent bundle --workspace console
node js/console/check_size.js
printf '%s' "$WANT" >"$STAMP"
