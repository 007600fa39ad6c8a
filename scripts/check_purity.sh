#!/usr/bin/env bash
# The arrows of the workspace: api, core and media know neither each other nor the outside world
# (runtime, sockets, clock, randomness), and only the DTLS files of media know OpenSSL.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"

exec python3 scripts/check_purity.py
