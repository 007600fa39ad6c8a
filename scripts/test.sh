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

# One file after the other: each starts a server, some a browser, and there may be just two cores. Each file runs even when one before it
# has failed, so that a run says everything that is wrong. What hangs is ended: at SIGTERM its browsers close, its tests fail and tidy up.
NODE_FILE_LIMIT_S=600
run_node_tests() {
    local file failed=()
    for file in "$@"; do
        say "$file"
        timeout --foreground --kill-after=60 "$NODE_FILE_LIMIT_S" node --test-reporter=spec "$file" || failed+=("$file")
    done
    [ "${#failed[@]}" -eq 0 ] || die "failed: ${failed[*]}"
}

# What the run leaves goes with it, however it ends: files, a PostgreSQL of its own, processes in the background.
WORK="$(mktemp -d "${TMPDIR:-/tmp}/restage-test.XXXXXX")"
# PostgreSQL, which does not run as root, must reach its own directory in it.
chmod 711 "$WORK"
POSTGRES_DIR="$WORK/postgres"
at_exit() {
    local code=$?
    # A second signal must not cut this short.
    trap '' INT TERM
    end_beside
    [ ! -e "$POSTGRES_DIR" ] || scripts/postgres.sh stop "$POSTGRES_DIR"
    rm -rf "$WORK"
    print_step_times "$code"
}
trap at_exit EXIT
trap 'exit 130' INT TERM

step "Format: Rust"
cargo fmt --all --check

step "Format and lint: Python"
"$VENV/bin/ruff" format --quiet --check conformance python scripts
"$VENV/bin/ruff" check --quiet conformance python scripts
(cd python/restage-testing && "$VENV/bin/mypy")

step "Shapes of the API: what the service's model says"
"$VENV/bin/python" scripts/generate_shapes.py --check
"$VENV/bin/python" -m pytest --quiet scripts/shapes

step "Format, lint and types: JavaScript"
js/node_modules/.bin/biome check --error-on-warnings
js/node_modules/.bin/tsc --project js/tsconfig.json
js/node_modules/.bin/tsc --project js/testing/tsconfig.json --noEmit
npm --prefix js run --silent build

js/node_modules/.bin/tsc --project js/console/tsconfig.json

step "Console"
scripts/console.sh
node js/console/check_size.js

step "Boundaries of the crates"
scripts/check_arrows.sh
"$VENV/bin/python" -m pytest scripts/tests

step "Versions: every package carries the workspace's"
python3 scripts/package/versions.py --check

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

# Everything is compiled before anything runs: beside a compiler the servers under test have no processor time left and refuse whoever
# joins.
step "Build: the server, the tests and the examples"
cargo test --workspace --locked --quiet --no-run

# The steps from here on are functions: they run beside each other.

rust_tests() {
    cargo test --workspace --locked --quiet --no-fail-fast
}

forward_cost() {
    python3 scripts/check_forward_cost.py target/debug/examples/forward_path --tapped
    python3 scripts/check_estimation_cost.py target/debug/examples/estimation
}

# What threads share, in every order of their steps. A workspace of its own, in a folder of its own below target.
models() {
    scripts/models.sh
}

javascript_client() {
    npm --prefix js run --silent test
}

# The site from the pages in docs, with the links of all Markdown checked.
site() {
    (cd docs/site && node site.js)
}

python_suite() {
    "$VENV/bin/python" -m pytest --quiet conformance/model/test_suite.py
}

# The same binaries as in rust_tests: what a test is given for a database is all that differs.
rust_tests_on_postgres() {
    cargo test --workspace --locked --quiet --no-run --message-format=json >"$WORK/artifacts"
    python3 scripts/test_binaries.py restage-store restage-node:jobs restage-node:ingests <"$WORK/artifacts" >"$WORK/binaries"
    while read -r folder binary; do
        (cd "$folder" && RESTAGE_TEST_POSTGRES="$POSTGRES_URL" "$binary" --quiet </dev/null)
    done <"$WORK/binaries"
}

rust_client() {
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --no-deps --package restage-client --all-features
    # Compiled above already; this is about the files and the fields a registry wants.
    cargo package --locked --quiet --no-verify --allow-dirty --package restage-client
}

conformance_model() {
    "$VENV/bin/python" -m pytest conformance/model
}

# A file's tests stay together, because they share a server. Files of `alone` run when nothing else does.
PYTHON_WORKERS=3
beside_others() {
    "$VENV/bin/python" -m pytest -m "not alone" --numprocesses="$PYTHON_WORKERS" --dist=loadfile \
        --no-loadscope-reorder "$@"
}

conformance_python() {
    beside_others conformance/python --durations=8
}

conformance_on_postgres() {
    local name tests=()
    for name in story paginator durable outbox db bad_days clock upgrade postgres_restart encoder_configurations \
        storage_configurations ingest_configurations; do
        tests+=("conformance/python/test_$name.py")
    done
    RESTAGE_TEST_POSTGRES="$POSTGRES_URL" RESTAGE_TEST_PSQL="$(scripts/postgres.sh bindir)/psql" \
        beside_others "${tests[@]}" conformance/python/test_readme.py::test_every_server_of_the_readme_starts
}

conformance_javascript() {
    run_node_tests conformance/sdk-js/*.test.js
}

# The SDK for Rust is an example, and was built before.
conformance_agreement() {
    "$VENV/bin/python" -m pytest conformance/agreement --durations=5
}

# What these measure is worth nothing beside something else.
BROWSER_ALONE=(firefox layers media_path networks paths receive recorded_layers stage_client_crowd svc tcp temporal)

conformance_browser_alone() {
    local name files=()
    for name in "${BROWSER_ALONE[@]}"; do
        files+=("conformance/browser/tests/$name.test.js")
    done
    run_node_tests "${files[@]}"
}

conformance_browser() {
    local name file files=()
    for file in conformance/browser/tests/*.test.js; do
        name="$(basename "$file" .test.js)"
        [[ " ${BROWSER_ALONE[*]} " == *" $name "* ]] || files+=("$file")
    done
    run_node_tests "${files[@]}"
}

# The helpers for the tests of others, and a release from the debug build: installed, started, removed.
packages() {
    (cd python/restage-testing && "$VENV/bin/python" -m pytest --quiet)
    run_node_tests js/testing/test/*.test.js
    "$VENV/bin/python" -m pytest conformance/packages --durations=5
}

interop_matrix() {
    "$VENV/bin/python" -m pytest conformance/interop/test_matrix.py --durations=5
}

interop_recorded() {
    "$VENV/bin/python" -m pytest conformance/interop/test_recorded.py --durations=5
}

beside rust "Unit and scenario tests: Rust" rust_tests
beside small "Cost of a forwarded packet and of estimation, in instructions" forward_cost
beside small "Models: what threads share, in every order of their steps" models
beside small "Unit tests: JavaScript client" javascript_client
beside small "Unit tests: Python, of what the tests are made with" python_suite
beside small "Documentation: its site, and every link" site
if [ "$SCOPE" = check ]; then
    run_beside "$WORK"
    exit 0
fi

export RESTAGE_BINARY="$ROOT/target/debug/restage"
export CHROMIUM="${CHROMIUM:-$(command -v chromium)}"
mkdir -p conformance/output
POSTGRES_URL="$(scripts/postgres.sh start "$POSTGRES_DIR")"

beside small "Tests of store and jobs again, on PostgreSQL" rust_tests_on_postgres
beside rust "Documentation and package of the Rust client" rust_client
beside small "Conformance: every operation against the service's own model" conformance_model
run_beside "$WORK"

beside python "Conformance: SDKs, command line, media, hostile input, crashes" conformance_python
beside python "Conformance again, on PostgreSQL: the story, pages, crashes, events, backups, bad days" conformance_on_postgres
beside small "Conformance: AWS SDK for JavaScript" conformance_javascript
beside small "Conformance: AWS SDKs for Go and Java, and what five SDKs see of one task" conformance_agreement
beside small "Packages: archive, Debian package, container image, helpers for pip and npm" packages
run_beside "$WORK"

# Browsers and real clients leave little of two processors: more than two lanes, and the servers would refuse whoever joins.
beside browser "Conformance: browser" conformance_browser
beside clients "Interop: real clients publish, watch, and watch a replica" interop_matrix
beside clients "Interop: what real clients publish is recorded, and played" interop_recorded
run_beside "$WORK"

step "Conformance: browser, what measures"
conformance_browser_alone

step "Conformance: what measures or changes the machine"
"$VENV/bin/python" -m pytest conformance/python -m alone --durations=8
