#!/usr/bin/env bash
# Looks for inputs that break a promise: libFuzzer drives the targets of dev/fuzz.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"

usage() {
    cat <<'TEXT'
Usage: scripts/fuzz.sh [OPTIONS] [TARGET...]

Runs fuzz targets under libFuzzer: it makes up inputs and keeps those that reach new code of ours. A panic, an endless loop, an
overflow, too much memory or a broken promise ends the run of a target and leaves the input that did it.

Without TARGET all are run, one after the other. Everything is built with the pinned stable compiler; a C++ compiler is needed for
libFuzzer. The first build takes some minutes and goes to target/fuzz.

  --list              Print the targets and what each covers.
  --minutes N         Minutes for each target (default 1). Fractions are possible.
  --jobs N            Processes for each target (default 1).
  --minimise          Shrink the corpora in the repository to the inputs that reach something of their own, found ones included.
  --replay FILE       Run a target on one input and show what it does: the way to look at a crash.
  --keep TARGET FILE  Shrink an input that fails, and put it among the regression inputs, which `make test` runs from then on.
                      Commit it with the repair.
  --without-server    Leave out the targets of restage-server and restage-node: a build of a third of the time.
  --build             Only build.

What a run finds stays in target/fuzz/found/TARGET; the next run goes on with it. --minimise takes the best of it into
dev/fuzz/corpus/TARGET, which is in the repository.

Examples:
  scripts/fuzz.sh --minutes 10 stun turn
  scripts/fuzz.sh --minutes 30 sfu
  scripts/fuzz.sh --replay target/fuzz/crashes/turn/crash-0a1b turn
TEXT
}

OUT="${RESTAGE_FUZZ_DIR:-$ROOT/target/fuzz}"
RUNNER="$OUT/build/release/restage-fuzz-runner"
FOLDER="$ROOT/dev/fuzz"
MINUTES=1
JOBS=1
ACTION=run
FEATURES=()
TARGETS=()
FILE=""
# Inputs longer than this are not made up, and none that is in the repository is longer.
INPUT_BYTES_MAX=8192
# Most inputs of a corpus in the repository.
CORPUS_INPUTS_MAX=120
# An input that takes longer is a fault.
INPUT_SECONDS_MAX=20
MEMORY_MIB_MAX=2048

while [ $# -gt 0 ]; do
    case "$1" in
    -h | --help)
        usage
        exit 0
        ;;
    --list) ACTION=list ;;
    --build) ACTION=build ;;
    --without-server) FEATURES=(--no-default-features) ;;
    --minimise) ACTION=minimise ;;
    --minutes) MINUTES="${2:?--minutes needs a number}" && shift ;;
    --jobs) JOBS="${2:?--jobs needs a number}" && shift ;;
    --replay) ACTION=replay && FILE="${2:?--replay needs a file}" && shift ;;
    --keep) ACTION=keep && TARGETS=("${2:?--keep needs a target}") && FILE="${3:?--keep needs a target and a file}" && shift 2 ;;
    -*) die "fuzz.sh knows no option '$1'; --help says which there are" ;;
    *) TARGETS+=("$1") ;;
    esac
    shift
done

# The workspace's versions of all crates, so that what is fuzzed is what ships.
build() {
    mkdir -p "$OUT"
    [ "$FOLDER/runner/Cargo.lock" -nt Cargo.lock ] || cp Cargo.lock "$FOLDER/runner/Cargo.lock"
    say "Building the targets"
    RUSTC_WRAPPER="$ROOT/scripts/fuzz_rustc.sh" CARGO_TARGET_DIR="$OUT/build" \
        cargo build --release --quiet --manifest-path "$FOLDER/runner/Cargo.toml" "${FEATURES[@]}"
}

list() {
    RESTAGE_FUZZ_LIST=1 "$RUNNER"
}

# fuzzer TARGET ARGUMENTS...: libFuzzer with what all calls share.
fuzzer() {
    local target="$1"
    shift
    mkdir -p "$OUT/crashes/$target"
    RESTAGE_FUZZ_TARGET="$target" "$RUNNER" -timeout="$INPUT_SECONDS_MAX" -rss_limit_mb="$MEMORY_MIB_MAX" \
        -artifact_prefix="$OUT/crashes/$target/" "$@"
}

# The folders of a target's inputs: what was found, which libFuzzer adds to, then the repository's, then the first ones.
folders() {
    local target="$1"
    mkdir -p "$OUT/found/$target" "$FOLDER/corpus/$target" "$FOLDER/regressions/$target"
    RESTAGE_FUZZ_TARGET="$target" RESTAGE_FUZZ_SEEDS="$OUT/seeds/$target" "$RUNNER"
    printf '%s\n' "$OUT/found/$target" "$FOLDER/corpus/$target" "$FOLDER/regressions/$target" "$OUT/seeds/$target"
}

run_target() {
    local target="$1" all seconds
    mapfile -t all < <(folders "$target")
    seconds="$(awk -v minutes="$MINUTES" 'BEGIN { printf "%d", minutes * 60 }')"
    say "$target: $MINUTES minutes"
    local extra=()
    [ "$JOBS" -eq 1 ] || extra=(-fork="$JOBS")
    fuzzer "$target" -max_total_time="$seconds" -max_len="$INPUT_BYTES_MAX" -use_value_profile=1 -print_final_stats=1 "${extra[@]}" "${all[@]}" \
        2>&1 | tee "$OUT/$target.log" | grep --line-buffered -E 'pulse|panicked|ERROR|SUMMARY|DONE|stat::|Test unit|crash-|INITED' || true
    rmdir --ignore-fail-on-non-empty "$FOLDER/corpus/$target" "$FOLDER/regressions/$target"
    if grep -qE '^SUMMARY|ERROR: libFuzzer' "$OUT/$target.log"; then
        say "$target: a promise is broken. scripts/fuzz.sh --replay FILE $target shows it; the file is in $OUT/crashes/$target"
        return 1
    fi
}

minimise_target() {
    local target="$1" all fresh="$OUT/minimised/$1"
    mapfile -t all < <(folders "$target")
    rm -rf "$fresh"
    mkdir -p "$fresh"
    fuzzer "$target" -merge=1 -max_len="$INPUT_BYTES_MAX" "$fresh" "${all[@]}" >"$OUT/$target.minimise.log" 2>&1 ||
        die "$target: some input fails; see $OUT/$target.minimise.log"
    rm -rf "${FOLDER:?}/corpus/$target"
    mkdir -p "$FOLDER/corpus/$target"
    # The shortest first: they are the quickest, and reach the most for their size.
    find "$fresh" -type f -size -"$((INPUT_BYTES_MAX + 1))"c -printf '%s %p\n' | sort -n | head -n "$CORPUS_INPUTS_MAX" | while read -r _ path; do
        cp "$path" "$FOLDER/corpus/$target/$(sha1sum "$path" | cut -c1-12)"
    done
    rmdir --ignore-fail-on-non-empty "$FOLDER/regressions/$target"
    say "$target: $(find "$FOLDER/corpus/$target" -type f | wc -l) inputs, $(du -sb "$FOLDER/corpus/$target" | cut -f1) bytes"
}

keep() {
    local target="$1" file="$2" kept
    mkdir -p "$FOLDER/regressions/$target" "$OUT/crashes/$target"
    kept="$FOLDER/regressions/$target/$(sha1sum "$file" | cut -c1-12)"
    say "Shrinking the input"
    fuzzer "$target" -minimize_crash=1 -max_total_time=30 -exact_artifact_path="$kept" "$file" >"$OUT/$target.keep.log" 2>&1 || true
    [ -s "$kept" ] || cp "$file" "$kept"
    say "$kept ($(stat -c %s "$kept") bytes)"
}

build
case "$ACTION" in
build) exit 0 ;;
list)
    list | column -t -s "$(printf '\t')"
    exit 0
    ;;
esac
[ "${#TARGETS[@]}" -gt 0 ] || mapfile -t TARGETS < <(list | cut -f1)
FAILED=()
for TARGET in "${TARGETS[@]}"; do
    list | cut -f1 | grep -qx "$TARGET" || die "there is no target '$TARGET'; --list prints them"
    case "$ACTION" in
    run) run_target "$TARGET" || FAILED+=("$TARGET") ;;
    minimise) minimise_target "$TARGET" ;;
    replay) fuzzer "$TARGET" "$FILE" ;;
    keep) keep "$TARGET" "$FILE" ;;
    esac
done
[ "${#FAILED[@]}" -eq 0 ] || die "failed: ${FAILED[*]}"
