#!/usr/bin/env bash
# Does `cargo deny check licenses` where cargo-deny is not installed: same list, no network.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"

exec python3 scripts/check_licences.py
