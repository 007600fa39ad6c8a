#!/usr/bin/env bash
# Installs the binary, its manual pages and its completions under PREFIX. `RESTAGE_BINARY` names a binary that is
# already built.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"

default_prefix() {
    case "$(id -u)" in
    0) printf /usr/local ;;
    *) printf '%s/.local' "$HOME" ;;
    esac
}

PREFIX="${PREFIX:-$(default_prefix)}"
# Packagers install into a directory that represents the root.
UNDER="${DESTDIR:-}$PREFIX"
BINARY="${RESTAGE_BINARY:-}"

if [ -z "$BINARY" ]; then
    scripts/setup.sh run
    scripts/console.sh
    step "Building restage (the first time takes minutes)"
    cargo build --release --locked --package restage
    BINARY=target/release/restage
fi

step "Installing into $UNDER"
install -D --mode=755 "$BINARY" "$UNDER/bin/restage"
"$UNDER/bin/restage" man "$UNDER/share/man/man1"
complete_for() {
    mkdir -p "$(dirname "$2")"
    "$UNDER/bin/restage" completions "$1" >"$2"
}
complete_for bash "$UNDER/share/bash-completion/completions/restage"
complete_for zsh "$UNDER/share/zsh/site-functions/_restage"
complete_for fish "$UNDER/share/fish/vendor_completions.d/restage.fish"

say "$UNDER/bin/restage"
FOUND="$(command -v restage || true)"
if [ -z "$FOUND" ]; then
    say "It is not on your PATH yet: export PATH=\"$PREFIX/bin:\$PATH\""
elif ! [ "$FOUND" -ef "$UNDER/bin/restage" ]; then
    say "Your PATH has another one first: $FOUND"
fi
say "next: restage serve"
