#!/usr/bin/env bash
# Packs what is published for npm: node.sh DIST_DIR. npm gives all files in a package the same time and order.

source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$ROOT"

DIST_DIR="$1"
TREE="$(mktemp -d "${TMPDIR:-/tmp}/restage-node.XXXXXX")"
trap 'rm -rf "$TREE"' EXIT

pack() {
    (cd "$1" && npm pack --silent --pack-destination "$DIST_DIR" >/dev/null)
}

# @restage/testing is JavaScript; its types are made from its comments.
mkdir "$TREE/testing"
cp -r js/testing/package.json js/testing/README.md js/testing/LICENSE js/testing/src "$TREE/testing/"
js/node_modules/.bin/tsc --project js/testing/tsconfig.json --outDir "$TREE/testing/types"
pack "$TREE/testing"

# The browser client and its hooks are built where they are.
for package in client react; do
    [ -e "js/$package/package.json" ] || continue
    ! grep -q '"private": true' "js/$package/package.json" || continue
    npm --prefix js run --silent build --workspace "$package"
    pack "js/$package"
done
