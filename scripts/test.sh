#!/usr/bin/env bash
# The checks and tests, cheapest first, stopping at the first failure. `test.sh check`: those that need no other program
# than the compilers, in minutes; `test.sh all`: every one. `scripts/setup.sh test` comes before.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"
# Incremental data is never read again in a clean checkout and costs time and disk there.
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL=0

SCOPE="${1:-all}"
case "$SCOPE" in
check | all) ;;
*) die "test.sh takes 'check' or 'all', not '$SCOPE'" ;;
esac

# Waits for a process that was started in the background with its output in FILE, and then shows that output.
await() {
    local process="$1" file="$2" code=0
    wait "$process" || code=$?
    cat "$file"
    return "$code"
}

# One file after the other: each starts a server, some a browser, and there may be just two cores.
run_node_tests() {
    for file in "$@"; do
        say "$file"
        node --test-reporter=spec "$file"
    done
}

# What the run leaves goes with it, however it ends: files, a PostgreSQL of its own, processes in the background.
WORK="$(mktemp -d "${TMPDIR:-/tmp}/restage-test.XXXXXX")"
# PostgreSQL, which does not run as root, must reach its own directory in it.
chmod 711 "$WORK"
POSTGRES_DIR="$WORK/postgres"
at_exit() {
    local code=$? process
    for process in $(jobs -p); do
        kill "$process" 2>/dev/null || true
    done
    [ ! -e "$POSTGRES_DIR" ] || scripts/postgres.sh stop "$POSTGRES_DIR"
    rm -rf "$WORK"
    print_step_times "$code"
}
trap at_exit EXIT
trap 'exit 130' INT TERM

step "Format: Rust"
cargo fmt --all --check

step "Format and lint: Python"
"$VENV/bin/ruff" format --quiet --check conformance scripts
"$VENV/bin/ruff" check --quiet conformance scripts

step "Shapes of the API: what the service's model says"
"$VENV/bin/python" scripts/generate_shapes.py --check
"$VENV/bin/python" -m pytest --quiet scripts/shapes

step "Format, lint and types: JavaScript"
js/node_modules/.bin/biome check --error-on-warnings
js/node_modules/.bin/tsc --project js/tsconfig.json

step "Boundaries of the crates"
scripts/check_arrows.sh
"$VENV/bin/python" -m pytest scripts/tests

step "Licences and advisories"
if cargo deny --version >/dev/null 2>&1; then
    cargo deny --all-features check bans licenses sources
    # Advisories need a fresh database from the network; without one there is nothing to compare with.
    cargo deny check advisories || [ -z "${RESTAGE_REQUIRE_ADVISORIES:-}" ]
else
    say "cargo-deny is not installed: licences are checked from Cargo.lock's own metadata instead"
    scripts/check_licences.sh
fi

step "Lint: Rust"
cargo clippy --workspace --all-targets --locked --quiet -- -D warnings

step "Unit and scenario tests: Rust"
cargo test --workspace --locked --quiet

step "Cost of a forwarded packet, in instructions"
# Examples are built with the tests.
python3 scripts/check_forward_cost.py target/debug/examples/forward_path

step "Unit tests: JavaScript client"
node --test js/client/test/*.test.js

step "Unit tests: Python, of what the tests are made with"
"$VENV/bin/python" -m pytest --quiet conformance/model/test_suite.py

[ "$SCOPE" = all ] || exit 0

step "Tests of store and jobs again, on PostgreSQL"
POSTGRES_URL="$(scripts/postgres.sh start "$POSTGRES_DIR")"
# The same binaries as above: what a test is given for a database is all that differs.
cargo test --workspace --locked --quiet --no-run --message-format=json |
    python3 scripts/test_binaries.py restage-store restage-node:jobs |
    while read -r folder binary; do
        (cd "$folder" && RESTAGE_TEST_POSTGRES="$POSTGRES_URL" "$binary" --quiet </dev/null)
    done

step "Documentation and package of the Rust client"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --no-deps --package restage-client --all-features
# Compiled above already; this is about the files and the fields a registry wants.
cargo package --locked --quiet --no-verify --allow-dirty --package restage-client

# The tests above needed it too, so it is there; building it alone would choose other features and compile it all again.
export RESTAGE_BINARY="$ROOT/target/debug/restage"

step "Conformance: every operation against the service's own model"
mkdir -p conformance/output
"$VENV/bin/python" -m pytest conformance/model

step "Conformance: SDKs, command line, media, hostile input, crashes"
"$VENV/bin/python" -m pytest conformance/python --durations=8

step "Conformance again, on PostgreSQL: the story, pages, crashes, events, backups, bad days"
RESTAGE_TEST_POSTGRES="$POSTGRES_URL" RESTAGE_TEST_PSQL="$(scripts/postgres.sh bindir)/psql" \
    "$VENV/bin/python" -m pytest conformance/python/test_story.py conformance/python/test_paginator.py \
    conformance/python/test_durable.py conformance/python/test_outbox.py conformance/python/test_db.py \
    conformance/python/test_bad_days.py conformance/python/test_clock.py \
    conformance/python/test_encoder_configurations.py \
    conformance/python/test_readme.py::test_every_server_of_the_readme_starts

step "Conformance: AWS SDK for JavaScript"
run_node_tests conformance/sdk-js/*.test.js

step "Conformance: AWS SDKs for Go and Java, and what five SDKs see of one task"
# The one for Rust is an example, and was built with the tests.
"$VENV/bin/python" -m pytest conformance/agreement --durations=5

export CHROMIUM="${CHROMIUM:-$(command -v chromium)}"
step "Conformance: browser"
run_node_tests conformance/browser/tests/*.test.js

step "Interop: real clients publish, watch, and watch a replica"
"$VENV/bin/python" -m pytest conformance/interop --durations=5
