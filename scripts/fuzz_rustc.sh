#!/usr/bin/env bash
# rustc for scripts/fuzz.sh: instruments the crates of this repository, and no others, so that libFuzzer sees which of our code an input
# reaches. The flags are stable ones: LLVM's coverage sanitizer needs no nightly compiler.
set -euo pipefail

COMPILER="$1"
shift
CRATE=""
for ((place = 1; place <= $#; place++)); do
    if [ "${!place}" = "--crate-name" ]; then
        next=$((place + 1))
        CRATE="${!next}"
    fi
done
case "$CRATE" in
restage_fuzz_runner) exec "$COMPILER" "$@" ;;
restage*) ;;
*) exec "$COMPILER" "$@" ;;
esac
exec "$COMPILER" "$@" --cfg fuzzing \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
