# Sourced by the other scripts: where things are, and how progress and failure are told.

set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"
STARTED_AT=$SECONDS
# The step that runs, since when, and those before it as "SECONDS NAME".
STEP=""
STEP_STARTED_AT=$SECONDS
STEPS=()

# Prints a step's name before it runs, so that a hang shows where it is, and how long the step before it took.
step() {
    end_step
    STEP="$*"
    STEP_STARTED_AT=$SECONDS
    printf '\n== [%4ds] %s\n' "$((SECONDS - STARTED_AT))" "$STEP"
}

end_step() {
    [ -n "$STEP" ] || return 0
    local took=$((SECONDS - STEP_STARTED_AT))
    STEPS+=("$took $STEP")
    STEP=""
    printf '   took %d s\n' "$took"
}

# Prints how long each step took, and all of them. An EXIT trap calls it with the exit code: the last step may have failed.
print_step_times() {
    local code="$1" failed="$STEP" line
    end_step
    [ "${#STEPS[@]}" -gt 0 ] || return 0
    printf '\n== Seconds of each step\n'
    for line in "${STEPS[@]}"; do
        printf '%6d  %s\n' "${line%% *}" "${line#* }"
    done
    printf '%6d  in all\n' "$((SECONDS - STARTED_AT))"
    if [ "$code" -eq 0 ]; then
        printf '\n== All passed\n'
    else
        printf '\n== Failed (exit code %d): %s\n' "$code" "$failed"
    fi
}

# The steps that `beside` named: the lane of each, its name and its command; and the index of each that runs, by process.
BESIDE_LANES=()
BESIDE_NAMES=()
BESIDE_COMMANDS=()
declare -A BESIDE_RUNNING=()
declare -A BESIDE_STARTED_AT=()
# How long a step that is ended early may take to end its own processes.
BESIDE_END_S=20

# beside LANE NAME COMMAND: a step for run_beside. The command is one word, usually a function.
beside() {
    local index="${#BESIDE_NAMES[@]}"
    BESIDE_LANES[index]="$1"
    BESIDE_NAMES[index]="$2"
    # `+=` would begin at 0 again once all commands have been taken out.
    BESIDE_COMMANDS[index]="$3"
}

# run_beside DIR: runs the lanes at the same time, and the steps of each lane in the order they were named. The output of
# a step goes into a file in DIR and is shown when the step ends. The first that fails ends the script with its code.
run_beside() {
    local directory="$1" lane process index code
    end_step
    for lane in $(printf '%s\n' "${BESIDE_LANES[@]}" | sort -u); do
        start_beside "$directory" "$lane"
    done
    while [ "${#BESIDE_RUNNING[@]}" -gt 0 ]; do
        process="$(first_ended "$directory")"
        if [ -z "$process" ]; then
            wait -n "${!BESIDE_RUNNING[@]}" 2>/dev/null || true
            # A process that ended before it was waited for makes `wait` return at once.
            sleep 0.1
            continue
        fi
        index="${BESIDE_RUNNING[$process]}"
        code="$(cat "$directory/beside-$index.code" 2>/dev/null || echo 1)"
        unset "BESIDE_RUNNING[$process]"
        STEP="${BESIDE_NAMES[$index]}"
        STEP_STARTED_AT="${BESIDE_STARTED_AT[$process]}"
        printf '\n== [%4ds] ended: %s\n' "$((SECONDS - STARTED_AT))" "$STEP"
        cat "$directory/beside-$index.log"
        [ "$code" -eq 0 ] || exit "$code"
        end_step
        start_beside "$directory" "${BESIDE_LANES[$index]}"
    done
}

# The process of a step that has ended, if there is one: it has left its code, or is gone without.
first_ended() {
    local process
    for process in "${!BESIDE_RUNNING[@]}"; do
        if [ -e "$1/beside-${BESIDE_RUNNING[$process]}.code" ] || ! kill -0 "$process" 2>/dev/null; then
            printf '%s' "$process"
            return
        fi
    done
}

# Runs a step and leaves its exit code in a file.
run_step() {
    local code=0
    # In a subshell of its own, so that `set -e` holds within it.
    (
        trap - EXIT INT TERM
        "$1"
    ) &
    wait $! || code=$?
    printf '%s' "$code" >"$2.part"
    mv "$2.part" "$2"
}

# Starts the next step of a lane, if there is one, in a process group of its own, by which all it starts can be ended.
start_beside() {
    local directory="$1" lane="$2" index
    for index in "${!BESIDE_COMMANDS[@]}"; do
        [ "${BESIDE_LANES[$index]}" = "$lane" ] || continue
        printf '\n== [%4ds] begins: %s\n' "$((SECONDS - STARTED_AT))" "${BESIDE_NAMES[$index]}"
        set -m
        run_step "${BESIDE_COMMANDS[$index]}" "$directory/beside-$index.code" >"$directory/beside-$index.log" 2>&1 </dev/null &
        set +m
        BESIDE_RUNNING[$!]="$index"
        BESIDE_STARTED_AT[$!]="$SECONDS"
        unset "BESIDE_COMMANDS[$index]"
        return
    done
}

# Ends the steps that still run, with all that they started. For an EXIT trap.
end_beside() {
    local process ends_at=$((SECONDS + BESIDE_END_S))
    for process in "${!BESIDE_RUNNING[@]}"; do
        kill -INT -- "-$process" 2>/dev/null || true
    done
    for process in "${!BESIDE_RUNNING[@]}"; do
        while kill -0 -- "-$process" 2>/dev/null && [ "$SECONDS" -lt "$ends_at" ]; do
            sleep 0.2
        done
        kill -KILL -- "-$process" 2>/dev/null || true
    done
}

say() {
    printf '   %s\n' "$*"
}

die() {
    printf '\nmake: %s\n' "$1" >&2
    shift
    for line in "$@"; do
        printf '      %s\n' "$line" >&2
    done
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# True if dotted version $1 is at least $2.
version_at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# The oldest Node.js that builds the console and the site, and the one that setup.sh installs where the system has an older one.
NODE_MIN=20.19.0
NODE_NEWER=22.23.3

node_fits() {
    version_at_least "$(node --version 2>/dev/null | tr -d v)" "$NODE_MIN"
}

# Puts the Node.js that setup.sh has installed first on the path.
use_own_node() {
    local own="$ROOT/.node/node_modules/node/bin"
    [ ! -x "$own/node" ] || export PATH="$own:$PATH"
}
use_own_node

# The key of a stamp file: installed again when any of the named files changed.
fingerprint() {
    cat "$@" | sha256sum | cut -d ' ' -f 1
}
