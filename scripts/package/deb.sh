#!/usr/bin/env bash
# Completes the staged tree of the Debian package and packs it with dpkg-deb, which every Debian has. Depends is what
# dpkg-shlibdeps reads from the binary.
#   deb.sh TREE VERSION COMMON small|fast TARGET
# COMMON has THIRD-PARTY-LICENSES and compose.yaml. SOURCE_DATE_EPOCH is the time of all files.

source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$ROOT"

TREE="$1" VERSION="$2" COMMON="$3" COMPRESSION="$4" TARGET="$5"
DOC="$TREE/usr/share/doc/restage"
# Debian sorts `~` before everything, so that 0.2.0~rc.1 comes before 0.2.0.
DEB_VERSION="${VERSION/-/\~}-1"
MAINTAINER="${RESTAGE_MAINTAINER:-restage maintainers <maintainers@restage.invalid>}"
case "$COMPRESSION" in
fast) PACKING=(-Zgzip -z1) ;;
# One thread: how xz cuts what it packs would otherwise depend on the machine.
*) PACKING=(-Zxz --threads-max=1) ;;
esac

# The settings of restage.toml, all commented out but for the directory of the package.
settings() {
    printf '%s\n' \
        '# Settings of the server that restage.service runs. As installed it serves this machine only, at http://127.0.0.1:4080.' \
        '# After a change: systemctl restart restage. Manual page: man restage-serve.'
    # The first line of restage.toml is about that file.
    sed -e 1d -e 's|^data-dir = .*|data-dir = "/var/lib/restage"|' -e '/^data-dir/!s/^\([a-z]\)/# \1/' restage.toml
}

compress_to() {
    mkdir -p "$(dirname "$1")"
    gzip --no-name -9 >"$1"
}

# What dpkg-shlibdeps wants around it is a source package.
depends() {
    local place="$TREE.control"
    mkdir -p "$place/debian"
    printf 'Source: restage\n\nPackage: restage\nArchitecture: any\n' >"$place/debian/control"
    (cd "$place" && dpkg-shlibdeps -O "$TREE/usr/bin/restage") | sed -n 's/^shlibs:Depends=//p'
}

install -D --mode=644 packaging/restage.service "$TREE/usr/lib/systemd/system/restage.service"
mkdir -p "$TREE/etc/restage"
settings >"$TREE/etc/restage/restage.toml"

# Where Debian has what `make install` puts elsewhere.
mkdir -p "$TREE/usr/share/zsh/vendor-completions"
mv "$TREE/usr/share/zsh/site-functions/_restage" "$TREE/usr/share/zsh/vendor-completions/_restage"
rmdir "$TREE/usr/share/zsh/site-functions"
gzip --no-name -9 "$TREE"/usr/share/man/man1/*.1

install -D --mode=644 packaging/deb/copyright "$DOC/copyright"
install -D --mode=644 "$COMMON/compose.yaml" "$DOC/examples/compose.yaml"
compress_to "$DOC/THIRD-PARTY-LICENSES.gz" <"$COMMON/THIRD-PARTY-LICENSES"
compress_to "$DOC/changelog.gz" <CHANGELOG.md
compress_to "$DOC/README.md.gz" <README.md
printf 'restage (%s) stable; urgency=medium\n\n  * Version %s; changelog.gz has what changed.\n\n -- %s  %s\n' \
    "$DEB_VERSION" "$VERSION" "$MAINTAINER" "$(date --utc --date="@$SOURCE_DATE_EPOCH" --rfc-email)" |
    compress_to "$DOC/changelog.Debian.gz"

mkdir -p "$TREE/DEBIAN"
for script in postinst prerm postrm; do
    install --mode=755 "packaging/deb/$script" "$TREE/DEBIAN/$script"
done
printf '/etc/restage/restage.toml\n' >"$TREE/DEBIAN/conffiles"
(cd "$TREE" && find usr -type f -print0 | sort --zero-terminated | xargs --null md5sum) >"$TREE/DEBIAN/md5sums"
cat >"$TREE/DEBIAN/control" <<CONTROL
Package: restage
Version: $DEB_VERSION
Architecture: $(dpkg --print-architecture)
Maintainer: $MAINTAINER
Installed-Size: $(du --summarize --apparent-size --block-size=1024 --exclude=DEBIAN "$TREE" | cut -f 1)
Depends: adduser, init-system-helpers (>= 1.54~), $(depends)
Recommends: ca-certificates
Section: video
Priority: optional
Description: self-hosted real-time video server with the Amazon IVS Real-Time API
 restage forwards media over WebRTC and speaks the Amazon IVS Real-Time API: AWS
 SDKs and the AWS CLI use it by a change of endpoint. Browsers, OBS, FFmpeg and
 GStreamer publish and watch by WHIP, WHEP and RTMP.
 .
 A participant who publishes in one stage can appear in any number of others.
 What is published is recorded as HLS, if its stage asks for it. The package
 starts a server that serves this machine only, until its settings name an
 address.
CONTROL

# dpkg-deb takes the times of files that are newer from SOURCE_DATE_EPOCH, and keeps older ones.
find "$TREE" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group "${PACKING[@]}" --build "$TREE" "$TARGET" >/dev/null
