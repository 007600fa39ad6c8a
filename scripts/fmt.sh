#!/usr/bin/env bash
# Formats everything in place.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"
cargo fmt --all
"$VENV/bin/ruff" check --quiet --fix conformance scripts/generate_shapes.py scripts/shapes
"$VENV/bin/ruff" format --quiet conformance scripts/generate_shapes.py scripts/shapes
js/node_modules/.bin/biome check --write
