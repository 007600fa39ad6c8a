#!/usr/bin/env bash
# Builds the release binary and starts a server on it. Arguments go to `restage serve`, and so do RESTAGE_* variables.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"

step "Building restage (the first time takes minutes)"
cargo build --release --locked --package restage

step "Starting the server; Ctrl-C ends it"
have restage || say "make install puts this binary on your PATH as restage"
# Its data goes into ./data, unless RESTAGE_DATA_DIR or --data-dir says otherwise.
exec target/release/restage serve "$@"
