#!/usr/bin/env bash
# Builds what a release consists of into dist/: archive, Debian package, container image, packages for pip and npm, checksums.
# The same commit, binary and system libraries give the same bytes. What it reads from the environment:
#   RESTAGE_BINARY     a binary that is already built; not set: a release build
#   DIST_DIR           where the files go; not set: dist
#   DIST_COMPRESSION   "small" (the default) or "fast", which tests use
#   DIST_PARTS         some of: archive deb image python node; not set: all
#   SOURCE_DATE_EPOCH  the time in every file, in seconds; not set: that of the commit

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
export PATH="$PATH:$HOME/.cargo/bin"
# What is staged has the modes that everybody's files have.
umask 022
export LC_ALL=C TZ=UTC

DIST_DIR="${DIST_DIR:-dist}"
PARTS="${DIST_PARTS:-archive deb image python node}"
COMPRESSION="${DIST_COMPRESSION:-small}"
case "$COMPRESSION" in
small) GZIP_LEVEL=9 ;;
fast) GZIP_LEVEL=1 ;;
*) die "DIST_COMPRESSION is 'small' or 'fast', not '$COMPRESSION'" ;;
esac
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || true)}"
[ -n "$SOURCE_DATE_EPOCH" ] || die "this is no checkout of git: set SOURCE_DATE_EPOCH to the time of the release, in seconds"

VERSION="$(python3 scripts/package/versions.py)"
MACHINE="$(uname -m)"
case "$MACHINE" in
x86_64) ARCHITECTURE=amd64 ;;
aarch64) ARCHITECTURE=arm64 ;;
*) ARCHITECTURE="$MACHINE" ;;
esac
NAME="restage-$VERSION-$MACHINE-linux"

STAGE="$(mktemp -d "${TMPDIR:-/tmp}/restage-dist.XXXXXX")"
trap 'rm -rf "$STAGE"' EXIT

wanted() {
    [[ " $PARTS " == *" $1 "* ]]
}

# build_binary: the release build. Paths of this machine, which messages of Rust and C code would name, become short names.
build_binary() {
    [ -z "${RESTAGE_BINARY:-}" ] || return 0
    scripts/setup.sh dist
    [ ! -x scripts/console.sh ] || scripts/console.sh
    step "Building restage (the first time takes minutes)"
    local home="${CARGO_HOME:-$HOME/.cargo}"
    local c_flags="-ffile-prefix-map=$home=cargo -ffile-prefix-map=$ROOT=restage"
    RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$home=cargo --remap-path-prefix=$ROOT=restage" \
        CFLAGS="${CFLAGS:-} $c_flags" CXXFLAGS="${CXXFLAGS:-} $c_flags" \
        cargo build --release --locked --package restage --target-dir target/dist
    RESTAGE_BINARY=target/dist/release/restage
}

# The binary without symbols, and the symbols in a file of their own, which debuggers and backtraces find by its name.
strip_binary() {
    step "Taking the symbols out of the binary"
    mkdir -p "$STAGE/bin"
    objcopy --only-keep-debug "$RESTAGE_BINARY" "$STAGE/bin/restage.debug"
    objcopy --strip-all "$RESTAGE_BINARY" "$STAGE/bin/restage"
    (cd "$STAGE/bin" && objcopy --add-gnu-debuglink=restage.debug restage)
    chmod 755 "$STAGE/bin/restage"
    chmod 644 "$STAGE/bin/restage.debug"
}

# install_under DIR PREFIX: binary, manual pages and completions, as `make install` installs them.
install_under() {
    RESTAGE_BINARY="$STAGE/bin/restage" DESTDIR="$1" PREFIX="$2" scripts/install.sh >/dev/null
}

# pack DIR NAME TARGET: DIR/NAME as a .tar.gz with nothing in it of this machine: order, owners and times are fixed.
pack() {
    tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu \
        --directory "$1" --create "$2" | gzip --no-name "-$GZIP_LEVEL" >"$3"
}

# write_common: what is in several packages.
write_common() {
    sed "s/restage:VERSION/restage:$VERSION/; s/restage-VERSION-amd64/restage-$VERSION-$ARCHITECTURE/" packaging/compose.yaml \
        >"$STAGE/compose.yaml"
    step "Collecting the licences of what is linked into the binary"
    python3 scripts/package/notices.py >"$STAGE/THIRD-PARTY-LICENSES"
}

build_archive() {
    step "Archive"
    local tree="$STAGE/archive/$NAME"
    install_under "$tree" /
    install -D --mode=644 --target-directory="$tree" LICENSE README.md CHANGELOG.md restage.toml "$STAGE/compose.yaml"
    install -D --mode=644 packaging/restage.service "$tree/systemd/restage.service"
    install --mode=644 "$STAGE/THIRD-PARTY-LICENSES" "$tree/THIRD-PARTY-LICENSES"
    pack "$STAGE/archive" "$NAME" "$DIST_DIR/$NAME.tar.gz"
    mkdir -p "$STAGE/symbols/$NAME-symbols"
    cp "$STAGE/bin/restage.debug" "$STAGE/symbols/$NAME-symbols/"
    pack "$STAGE/symbols" "$NAME-symbols" "$DIST_DIR/$NAME-symbols.tar.gz"
}

build_deb() {
    if ! have dpkg-deb || ! have dpkg-shlibdeps; then
        say "skipped: the Debian package needs dpkg-deb and dpkg-shlibdeps (Debian's dpkg-dev)"
        return
    fi
    step "Debian package"
    install_under "$STAGE/deb" /usr
    scripts/package/deb.sh "$STAGE/deb" "$VERSION" "$STAGE" "$COMPRESSION" \
        "$DIST_DIR/restage_${VERSION}_$(dpkg --print-architecture).deb"
}

build_image() {
    step "Container image"
    python3 scripts/package/image.py --binary "$STAGE/bin/restage" --version "$VERSION" --architecture "$ARCHITECTURE" \
        --epoch "$SOURCE_DATE_EPOCH" --level "$GZIP_LEVEL" --notices "$STAGE/THIRD-PARTY-LICENSES" \
        "$DIST_DIR/restage-$VERSION-$ARCHITECTURE.oci.tar"
    install --mode=644 "$STAGE/compose.yaml" "$DIST_DIR/compose.yaml"
}

build_python() {
    if [ ! -x "$VENV/bin/python" ] || ! "$VENV/bin/python" -c 'import build, hatchling' 2>/dev/null; then
        say "skipped: packages for pip are built with what 'make setup' installs"
        return
    fi
    step "Package for pip: restage-testing"
    "$VENV/bin/python" -m build --no-isolation --outdir "$DIST_DIR" python/restage-testing >/dev/null
}

build_node() {
    if [ ! -x js/node_modules/.bin/tsc ]; then
        say "skipped: the package for npm is built with what 'make setup' installs"
        return
    fi
    step "Package for npm: @restage/testing"
    scripts/package/node.sh "$DIST_DIR"
}

write_sums() {
    step "Checksums"
    (cd "$DIST_DIR" && find . -maxdepth 1 -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS)
    cat "$DIST_DIR/SHA256SUMS"
}

python3 scripts/package/versions.py --check
build_binary
rm -rf "$DIST_DIR"
mkdir -p "$DIST_DIR"
DIST_DIR="$(cd "$DIST_DIR" && pwd)"
RESTAGE_BINARY="$(realpath "$RESTAGE_BINARY")"
export RESTAGE_BINARY
if wanted archive || wanted deb || wanted image; then
    strip_binary
    write_common
fi
for part in archive deb image python node; do
    ! wanted "$part" || "build_$part"
done
write_sums
