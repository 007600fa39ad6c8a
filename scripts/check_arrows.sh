#!/usr/bin/env bash
# The boundaries of the workspace: which crate depends on which, who reaches outside, and that modules form no circle.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"

exec python3 scripts/check_arrows.py
