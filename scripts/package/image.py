"""Writes the container image as an archive, without a daemon: `docker load` and `podman load` take it.

The image has no distribution in it: the binary, the shared libraries that it needs, and the root certificates, as this
machine has them. The archive is an OCI image layout (image-spec 1.1), with the manifest.json besides that `docker load`
reads.

It is written here because the programs that build images without a daemon (umoci, buildah) take the owners of files
from the file system: only root could give /data to the user of the image. A tar file needs nobody's permission.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The user of distroless images; nobody else has this id on a usual machine.
USER = 65532
CERTIFICATES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
DIRECTORIES = ("dev", "etc", "etc/ssl", "etc/ssl/certs", "proc", "sys", "usr", "usr/bin", "usr/lib", "usr/share", "var")
LINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib64"}
PASSWD = f"root:x:0:0:root:/:/sbin/nologin\nrestage:x:{USER}:{USER}:restage:/data:/sbin/nologin\n"
GROUP = f"root:x:0:\nrestage:x:{USER}:\n"


class Layer:
    """Files of one layer, by path, so that they are written in one order."""

    def __init__(self, epoch):
        self.epoch = epoch
        self.entries = {}

    def _add(self, path, kind, mode, content=b"", link="", owner=0):
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.linkname, info.size = kind, mode, link, len(content)
        info.uid = info.gid = owner
        info.mtime = self.epoch
        self.entries[path] = (info, content)

    def directory(self, path, mode=0o755, owner=0):
        self._add(path, tarfile.DIRTYPE, mode, owner=owner)

    def directories_of(self, path):
        """The directories that lead to a file."""
        for parent in reversed(pathlib.PurePosixPath(path).parents[:-1]):
            if str(parent) not in self.entries:
                self.directory(str(parent))

    def file(self, path, content, mode=0o644):
        self.directories_of(path)
        self._add(path, tarfile.REGTYPE, mode, content)

    def link(self, path, target):
        self.directories_of(path)
        self._add(path, tarfile.SYMTYPE, 0o777, link=target)

    def tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for path in sorted(self.entries):
                info, content = self.entries[path]
                archive.addfile(info, io.BytesIO(content))
        return out.getvalue()


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def libraries(binary):
    """The paths at which the dynamic linker finds what the binary needs, its own among them."""
    listed = output("ldd", str(binary))
    missing = re.findall(r"(?m)^\s*(\S+) => not found", listed)
    if missing:
        raise SystemExit(f"libraries that {binary} needs are not on this machine: {', '.join(missing)}")
    return [pathlib.Path(path) for path in re.findall(r"(?m)(?:^\s*|=> )(/\S+) \(0x", listed)]


def package_of(path):
    """The Debian package of a file, or None. The package may know the file by its name without /usr."""
    for name in (str(path), str(path).removeprefix("/usr")):
        done = subprocess.run(["dpkg-query", "--search", name], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    return None


def add_package(layer, name):
    """A package's copyright file, and its status, from which scanners know what the image contains."""
    copyright = pathlib.Path("/usr/share/doc") / name / "copyright"
    if copyright.is_file():
        layer.file(f"usr/share/doc/{name}/copyright", copyright.read_bytes())
    layer.file(f"var/lib/dpkg/status.d/{name}", output("dpkg-query", "--status", name).encode())


def system_layer(binary, epoch):
    """The libraries of this machine's distribution, certificates, and the few files that every program expects."""
    layer = Layer(epoch)
    for path in DIRECTORIES:
        layer.directory(path)
    layer.directory("tmp", mode=0o1777)
    layer.directory("usr/lib64")
    for path, target in LINKS.items():
        layer.link(path, target)
    files = {CERTIFICATES.resolve(): "etc/ssl/certs/ca-certificates.crt"}
    for path in libraries(binary):
        real = path.resolve()
        # Where the linker looks, whatever links lead there on this machine.
        files[real] = f"usr/{str(path).removeprefix('/usr').lstrip('/')}"
    for real, path in sorted(files.items()):
        layer.file(path, real.read_bytes(), 0o755 if os.access(real, os.X_OK) else 0o644)
    layer.file("etc/passwd", PASSWD.encode())
    layer.file("etc/group", GROUP.encode())
    layer.file("etc/nsswitch.conf", b"hosts: files dns\n")
    release = pathlib.Path("/etc/os-release")
    if release.is_file():
        layer.file("etc/os-release", release.read_bytes())
    if subprocess.run(["which", "dpkg-query"], capture_output=True, check=False).returncode == 0:
        names = {package_of(real) for real in files} | {"ca-certificates"}
        for name in sorted(names - {None}):
            add_package(layer, name)
    return layer


def program_layer(binary, notices, epoch):
    layer = Layer(epoch)
    layer.file("usr/bin/restage", binary.read_bytes(), 0o755)
    layer.file("usr/share/doc/restage/LICENSE", (ROOT / "LICENSE").read_bytes())
    layer.file("usr/share/doc/restage/THIRD-PARTY-LICENSES", notices.read_bytes())
    layer.directory("data", mode=0o700, owner=USER)
    return layer


class Blobs:
    """The blobs of an image, by digest."""

    def __init__(self):
        self.contents = {}

    def add(self, kind, content):
        digest = hashlib.sha256(content).hexdigest()
        self.contents[digest] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


def encoded(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def configuration(given, created, layers):
    labels = {
        "title": "restage",
        "description": "A self-hosted real-time video server that speaks the Amazon IVS Real-Time API",
        "licenses": "Apache-2.0",
        "version": given.version,
        "created": created,
    }
    return {
        "created": created,
        "architecture": given.architecture,
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "ExposedPorts": {"4080/tcp": {}, "4081/udp": {}},
            "Env": ["PATH=/usr/bin", "RESTAGE_DATA_DIR=/data", "RESTAGE_HTTP=0.0.0.0:4080"],
            "Entrypoint": ["/usr/bin/restage"],
            "Cmd": ["serve"],
            "Volumes": {"/data": {}},
            "WorkingDir": "/data",
            "StopSignal": "SIGTERM",
            "Labels": {f"org.opencontainers.image.{name}": value for name, value in labels.items()},
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in layers]},
        "history": [
            {"created": created, "comment": "libraries of the system"},
            {"created": created, "comment": f"restage {given.version}"},
        ],
    }


def image(given):
    """The files of the archive, by name."""
    created = output("date", "--utc", f"--date=@{given.epoch}", "+%Y-%m-%dT%H:%M:%SZ").strip()
    layers = [
        system_layer(given.binary, given.epoch).tar(),
        program_layer(given.binary, given.notices, given.epoch).tar(),
    ]
    blobs = Blobs()
    config = blobs.add("application/vnd.oci.image.config.v1+json", encoded(configuration(given, created, layers)))
    packed = [
        blobs.add("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(tar, given.level, mtime=0))
        for tar in layers
    ]
    manifest = blobs.add(
        "application/vnd.oci.image.manifest.v1+json",
        encoded(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": config,
                "layers": packed,
            }
        ),
    )
    manifest["annotations"] = {
        "io.containerd.image.name": f"docker.io/library/restage:{given.version}",
        "org.opencontainers.image.ref.name": given.version,
    }
    manifest["platform"] = {"architecture": given.architecture, "os": "linux"}
    files = {f"blobs/sha256/{digest}": content for digest, content in blobs.contents.items()}
    files["oci-layout"] = encoded({"imageLayoutVersion": "1.0.0"})
    files["index.json"] = encoded(
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
    )
    blob = lambda of: "blobs/sha256/" + of["digest"].removeprefix("sha256:")  # noqa: E731
    described = {"Config": blob(config), "RepoTags": [f"restage:{given.version}"], "Layers": list(map(blob, packed))}
    files["manifest.json"] = encoded([described])
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--notices", type=pathlib.Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--architecture", required=True, help="as Go names it: amd64, arm64")
    parser.add_argument("--epoch", type=int, required=True, help="the time of everything, in seconds")
    parser.add_argument("--level", type=int, default=9, help="of gzip, 1 to 9")
    parser.add_argument("target", type=pathlib.Path)
    given = parser.parse_args()
    archive = Layer(given.epoch)
    for path, content in image(given).items():
        archive.file(path, content)
    given.target.write_bytes(archive.tar())


if __name__ == "__main__":
    main()
