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

# The key of a stamp file: installed again when any of the named files changed.
fingerprint() {
    cat "$@" | sha256sum | cut -d ' ' -f 1
}
