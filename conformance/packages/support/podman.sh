#!/usr/bin/env bash
# Runs the container image with podman as compose.yaml runs it, and publishes and watches from outside, through its published ports:
#   podman.sh ARCHIVE IMAGE RESTAGE VARIABLE…
# Runs in a mount namespace of its own, where cgroup2 alone is mounted, because crun refuses machines that have both kinds of control
# groups, and in a network of its own.
set -euo pipefail

ARCHIVE="$1" IMAGE="$2" RESTAGE="$3"
VARIABLES=()
for variable in "${@:4}"; do
    VARIABLES+=(--env "$variable")
done
# podman takes no longer path than 50 characters.
DIR="$(mktemp -d /tmp/restage-pod.XXXXXX)"
FILES="$(ulimit -n)"
PROCESSES=1024
TRIES=100

podman() {
    command podman --root "$DIR/s" --runroot "$DIR/r" --storage-driver=vfs --cgroup-manager=cgroupfs "$@"
}

at_exit() {
    podman rm --force --time 0 trial >/dev/null 2>&1 || true
    rm -rf "$DIR"
}
trap at_exit EXIT

mount --make-rprivate /
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
ip link set lo up
podman load --quiet --input "$ARCHIVE"
# No more than this process may have, so that no capability is needed.
podman run --detach --name trial --cgroups=disabled --read-only --cap-drop=ALL --security-opt=no-new-privileges \
    --ulimit "nofile=$FILES:$FILES" --ulimit "nproc=$PROCESSES:$PROCESSES" \
    --publish 127.0.0.1:4080:4080 --publish 127.0.0.1:4081:4081/udp --volume data:/data "${VARIABLES[@]}" "$IMAGE"
for ((tries = 0; tries < TRIES; tries++)); do
    if podman exec trial restage stages list --max-items 1; then
        break
    fi
    sleep 0.1
done
podman exec trial restage doctor || podman logs trial
eval "$(podman exec trial restage env)"
"$RESTAGE" stages create lobby --output text
"$RESTAGE" publish --stage lobby --user-id ann >"$DIR/publisher" 2>&1 &
"$RESTAGE" watch lobby ann --stop-after 5 --output json
kill $!
wait $! || true
podman stop --time 20 trial
podman inspect trial --format 'exit code {{.State.ExitCode}}'
