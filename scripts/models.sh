#!/usr/bin/env bash
# Checks the files in which threads share state with loom: every order of the threads' steps, and every value that the memory model lets them
# read. dev/models has the models.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT/dev/models"
export PATH="$PATH:$HOME/.cargo/bin"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$ROOT/target/models}"
export RUST_BACKTRACE="${RUST_BACKTRACE:-0}"

case "${1:-}" in
--help | -h)
    cat <<HELP
Usage: scripts/models.sh [--list] [NAME]...
       scripts/models.sh --faults

Checks every model, or those whose names contain one of the given texts.
  --list    Print the names of the models
  --faults  Plant the faults of dev/models/faults.toml, one after the other, and fail unless the models find them
HELP
    ;;
--faults)
    python3 "$ROOT/scripts/model_faults.py"
    ;;
*)
    cargo fmt --check
    cargo clippy --quiet --locked -- -D warnings
    cargo run --quiet --locked -- "$@"
    ;;
esac
