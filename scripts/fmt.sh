#!/usr/bin/env bash
# Formats everything in place.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"
cargo fmt --all
"$VENV/bin/ruff" check --quiet --fix conformance python scripts
"$VENV/bin/ruff" format --quiet conformance python scripts
js/node_modules/.bin/biome check --write
