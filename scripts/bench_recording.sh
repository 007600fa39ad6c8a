#!/usr/bin/env bash
# Measures recordings, for long: sound against pictures, `kill -9` at random, an S3 that fails, processor time and memory,
# and the live path beside recordings. Figures go to standard output, progress to standard error. `bench_recording.sh PART...`
# takes parts: sync, kills, faults, cost, live. `scripts/setup.sh test` comes before.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"
trap 'print_step_times $? >&2' EXIT

SEEDS="${SEEDS:-20}"
ROUNDS="${ROUNDS:-50}"
SECONDS_EACH="${SECONDS_EACH:-60}"
PARTS=("$@")
[ "${#PARTS[@]}" -gt 0 ] || PARTS=(sync kills faults cost live)

sync_rig() {
    RESTAGE_SYNC_SEEDS="$SEEDS" cargo test --release --locked --quiet --package restage-record --test sync -- \
        --nocapture --test-threads=2 | grep -F 'worst of'
}

rig() {
    "$VENV/bin/python" conformance/rigs/recording.py "$@" --rounds "$ROUNDS" --seconds "$SECONDS_EACH"
}

for part in "${PARTS[@]}"; do
    case "$part" in
    sync | kills | faults | cost | live) ;;
    *) die "bench_recording.sh takes sync, kills, faults, cost and live, not '$part'" ;;
    esac
done

step "Build" >&2
cargo build --release --locked --quiet --package restage --package restage-bench
export RESTAGE_BINARY="${RESTAGE_BINARY:-$ROOT/target/release/restage}"

for part in "${PARTS[@]}"; do
    case "$part" in
    sync)
        step "Sound against pictures, $SEEDS seeds" >&2
        sync_rig
        ;;
    kills)
        step "kill -9 at random, $ROUNDS rounds with a folder and with an S3" >&2
        rig kills
        ;;
    faults)
        step "An S3 that fails, $SECONDS_EACH s for each fault" >&2
        rig faults
        ;;
    cost | live)
        step "restage bench recording $part" >&2
        "$ROOT/target/release/restage" bench recording "$part" --seconds "$SECONDS_EACH"
        ;;
    esac
done
