#!/usr/bin/env bash
# Runs the container image with podman as compose.yaml runs it, but without a network: podman.sh ARCHIVE IMAGE. Runs in a mount
# namespace of its own, where cgroup2 alone is mounted: crun refuses machines that have both kinds of control groups.
set -euo pipefail

ARCHIVE="$1" IMAGE="$2"
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
podman load --quiet --input "$ARCHIVE"
# No more than this process may have, so that no capability is needed.
podman run --detach --name trial --cgroups=disabled --network=none --read-only --cap-drop=ALL \
    --security-opt=no-new-privileges --ulimit "nofile=$FILES:$FILES" --ulimit "nproc=$PROCESSES:$PROCESSES" \
    --volume data:/data --env RESTAGE_MEDIA_IP=127.0.0.1 "$IMAGE"
for ((tries = 0; tries < TRIES; tries++)); do
    if podman exec trial restage stages list --max-items 1; then
        break
    fi
    sleep 0.1
done
podman exec trial restage doctor || podman logs trial
podman stop --time 20 trial
podman inspect trial --format 'exit code {{.State.ExitCode}}'
