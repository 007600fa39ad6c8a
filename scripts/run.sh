#!/usr/bin/env bash
# Builds the release binary and starts a server. Arguments and RESTAGE_* variables are passed to `restage serve`.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"

scripts/console.sh
step "Building restage (the first time takes minutes)"
cargo build --release --locked --package restage

step "Starting the server; Ctrl-C ends it"
have restage || say "make install puts this binary on your PATH as restage"
# Its data is in ./data, unless RESTAGE_DATA_DIR or --data-dir names another directory.
exec target/release/restage serve "$@"
