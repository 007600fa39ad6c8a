#!/usr/bin/env bash
# Installs what is missing. `setup.sh run`: what a build needs; `setup.sh dist`: that and what a release is packed with; `setup.sh test`: all
# that and what the tests need; `setup.sh site`: what the documentation's site needs.
# Everything except Debian packages goes into this directory (.venv, .node, node_modules). A second run changes nothing.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

PURPOSE="${1:-run}"
case "$PURPOSE" in
run | dist | test | site) ;;
*) die "setup.sh takes 'run', 'dist', 'test' or 'site', not '$PURPOSE'" ;;
esac

MISSING=()
# Packages without which some tests are skipped with a message; installed as root, and required in CI, where nothing
# is skipped.
WISHED=()

# need COMMAND PACKAGE...: the packages are required when the command is missing.
need() {
    local command="$1"
    shift
    have "$command" || MISSING+=("$@")
}

# wish COMMAND PACKAGE...: like need, for packages that only some tests use.
wish() {
    local command="$1"
    shift
    have "$command" || WISHED+=("$@")
}

# The other clients of the interop matrix, and the toolchains of two SDKs.
collect_wished() {
    wish firefox-esr firefox-esr
    wish ip iproute2
    # The clock of a server is set, by hours.
    wish faketime faketime
    wish strace strace
    # Networks that block UDP, and coturn's client against the relay.
    wish iptables iptables
    wish turnutils_uclient coturn
    # OBS, on a screen of its own.
    wish obs obs-studio
    wish Xvfb xvfb
    # An authority that certifies what the tests serve.
    wish pebble pebble
    # Packages are built, looked at, installed, and started by the unit.
    wish skopeo skopeo
    wish podman podman crun netavark aardvark-dns iptables
    wish systemd-analyze systemd
    if ! /usr/bin/python3 "$ROOT/conformance/interop/clients/gstreamer_peer.py" missing >/dev/null 2>&1; then
        WISHED+=(python3-gi python3-gst-1.0 gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice gstreamer1.0-libav)
        WISHED+=(gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly)
    fi
    [ -z "${CI:-}" ] || wish mvn maven default-jdk-headless
    [ "${#WISHED[@]}" -gt 0 ] || return 0
    if [ -n "${CI:-}" ] || { [ "$(id -u)" -eq 0 ] && have apt-get; }; then
        MISSING+=("${WISHED[@]}")
    else
        say "not installed, so that some tests will be skipped: ${WISHED[*]}"
    fi
}

collect_missing() {
    if [ "$PURPOSE" = site ]; then
        need node nodejs
        need npm npm
        return 0
    fi
    need cc build-essential
    need c++ build-essential
    need make build-essential
    need pkg-config pkg-config
    need cmake cmake
    need nasm nasm
    pkg-config --exists 'openssl >= 3.0' 2>/dev/null || MISSING+=(libssl-dev)
    need curl curl
    [ -e /etc/ssl/certs/ca-certificates.crt ] || MISSING+=(ca-certificates)
    # The console is built with them.
    need node nodejs
    need npm npm
    [ "$PURPOSE" != run ] || return 0
    need dpkg-shlibdeps dpkg-dev
    need python3 python3
    # Debian ships Python without the part of venv that puts pip in.
    python3 -c 'import ensurepip, venv' 2>/dev/null || MISSING+=(python3-venv)
    [ "$PURPOSE" = test ] || return 0
    need chromium chromium fonts-liberation
    need valgrind valgrind
    # What the command line is held against: shells that load its completions, man, a terminal, ffprobe.
    need zsh zsh
    need fish fish
    need man man-db
    # A second network namespace is the other host.
    need ip iproute2
    # What has the disk fail.
    need strace strace
    need script bsdutils
    need ffprobe ffmpeg
    "$ROOT/scripts/postgres.sh" bindir >/dev/null 2>&1 || MISSING+=(postgresql)
    collect_wished
}

install_missing() {
    [ "${#MISSING[@]}" -gt 0 ] || return 0
    local packages
    packages="$(printf '%s\n' "${MISSING[@]}" | sort -u | tr '\n' ' ')"
    packages="${packages% }"
    local install="apt-get install -y --no-install-recommends $packages"
    have apt-get || die "these Debian packages are missing and there is no apt-get here: $packages"
    if [ "$(id -u)" -ne 0 ]; then
        die "these packages are missing; run this as root, then the same make again:" "apt-get update && $install"
    fi
    step "Installing Debian packages: $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update </dev/null || die "apt-get update failed: is there a network?" "wanted: $packages"
    # Word splitting is what turns the list into arguments.
    # shellcheck disable=SC2086
    $install -qq </dev/null >/dev/null || die "apt-get could not install: $packages"
    case " $packages " in
    *" postgresql "*) drop_system_cluster ;;
    esac
}

# The Debian package makes a cluster and starts it, now and at every boot. The tests make their own.
drop_system_cluster() {
    local version cluster rest
    have pg_lsclusters || return 0
    pg_lsclusters --no-header | while read -r version cluster rest; do
        pg_dropcluster --stop "$version" "$cluster" </dev/null ||
            say "the new PostgreSQL cluster $version/$cluster could not be removed; nothing here needs it"
    done
}

check_rust() {
    local wanted found
    wanted="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"
    # rustup puts cargo here; a fresh login shell would have it on PATH, a make in the old one has not.
    export PATH="$PATH:$HOME/.cargo/bin"
    if ! have cargo; then
        die "Rust $wanted or newer is needed and there is no cargo (Debian's own package is too old)." \
            "Install it from https://rustup.rs, then the same make again."
    fi
    found="$(cargo --version | cut -d ' ' -f 2)"
    version_at_least "${found%%-*}" "$wanted" ||
        die "Rust $wanted or newer is needed and cargo says $found." "With rustup: rustup update stable"
    [ "$PURPOSE" = test ] || return 0
    cargo fmt --version >/dev/null 2>&1 || die "cargo fmt is missing." "With rustup: rustup component add rustfmt"
    cargo clippy --version >/dev/null 2>&1 || die "cargo clippy is missing." "With rustup: rustup component add clippy"
}

# Debian 12's own Node.js is older than the tools need. npm has newer ones; lib.sh puts this one first on the path.
fit_node() {
    node_fits && return 0
    step "Installing Node.js $NODE_NEWER into .node: node says $(node --version), and $NODE_MIN is needed"
    npm install --prefix "$ROOT/.node" --no-audit --no-fund --loglevel=error "node@$NODE_NEWER" </dev/null ||
        die "npm could not install Node.js $NODE_NEWER" "https://nodejs.org has it too: put it on your PATH, then the same make again."
    use_own_node
    node_fits || die "the Node.js in .node says $(node --version), and $NODE_MIN is needed"
}

install_python() {
    local requirements=conformance/python/requirements.txt
    local stamp="$VENV/.installed" want
    want="$(fingerprint "$requirements") $(python3 --version)"
    [ "$(cat "$stamp" 2>/dev/null || true)" != "$want" ] || return 0
    step "Installing Python packages into .venv"
    rm -rf "$VENV"
    python3 -m venv "$VENV"
    "$VENV/bin/pip" install --quiet --disable-pip-version-check --no-input --requirement "$requirements" </dev/null ||
        die "pip could not install the packages of $requirements"
    printf '%s' "$want" >"$stamp"
}

# install_node DIR: its package-lock.json, exactly. Browsers come from Debian, so Playwright downloads none.
install_node() {
    local stamp="$1/node_modules/.installed" want
    want="$(fingerprint "$1/package.json" "$1/package-lock.json")"
    [ "$(cat "$stamp" 2>/dev/null || true)" != "$want" ] || return 0
    step "Installing Node packages into $1/node_modules"
    (cd "$1" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error </dev/null) ||
        die "npm could not install the packages of $1"
    printf '%s' "$want" >"$stamp"
}

collect_missing
install_missing
if [ "$PURPOSE" = site ]; then
    fit_node
    install_node docs/site
    exit 0
fi
check_rust
fit_node
install_node js
[ "$PURPOSE" = run ] || install_python
# The types of the helper for tests name the SDK's.
[ "$PURPOSE" != dist ] || install_node conformance/sdk-js
if [ "$PURPOSE" = test ]; then
    for manifest in conformance/*/package.json docs/site/package.json; do
        install_node "$(dirname "$manifest")"
    done
fi
