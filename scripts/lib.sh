# Sourced by the other scripts: where things are, and how progress and failure are told.

set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"
STARTED_AT=$SECONDS

# A step's name goes out before it runs, so that a hang shows where it is.
step() {
    printf '\n== [%4ds] %s\n' "$((SECONDS - STARTED_AT))" "$*"
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
