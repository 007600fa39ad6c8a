"""The container image: what is in it, and that it runs as a container does, in namespaces.

Its files are read-only then, its user is nobody's, and it has no capabilities.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile

import pytest
import yaml

from conftest import ROOT, binary, only
from support import machine as machines
from support.wait import eventually

ASK = pathlib.Path(machines.__file__).with_name("ask.py")
PODMAN = ASK.with_name("podman.sh")
URL = "http://127.0.0.1:4080"
COMPOSE = ROOT / "packaging/compose.yaml"
USER = 65532
STOP_S = 30


@pytest.fixture(scope="module")
def archive(dist):
    return only(dist, "restage-*.oci.tar")


@pytest.fixture(scope="module")
def layout(archive, tmp_path_factory):
    """The image layout as a directory."""
    place = tmp_path_factory.mktemp("layout")
    with tarfile.open(archive) as file:
        file.extractall(place, filter="data")
    return place


def blob(layout, descriptor):
    """A blob, checked against what names it."""
    content = (layout / "blobs" / "sha256" / descriptor["digest"].removeprefix("sha256:")).read_bytes()
    assert len(content) == descriptor["size"]
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == descriptor["digest"]
    return content


@pytest.fixture(scope="module")
def manifest(layout):
    index = json.loads((layout / "index.json").read_text())
    (descriptor,) = index["manifests"]
    return json.loads(blob(layout, descriptor))


@pytest.fixture(scope="module")
def config(layout, manifest):
    return json.loads(blob(layout, manifest["config"]))


@pytest.fixture(scope="module")
def root(layout, manifest, tmp_path_factory):
    """The layers, one over the other."""
    place = tmp_path_factory.mktemp("root")
    # It is / for the user of the image.
    place.chmod(0o755)
    for descriptor in manifest["layers"]:
        blob(layout, descriptor)
        path = layout / "blobs" / "sha256" / descriptor["digest"].removeprefix("sha256:")
        # As root with the owners that the layer names.
        subprocess.run(["tar", "--extract", "--gzip", "--numeric-owner", "-f", path, "-C", place], check=True)
    return place


def test_what_docker_reads_names_the_same_blobs(layout, manifest, version):
    (described,) = json.loads((layout / "manifest.json").read_text())
    path = lambda of: "blobs/sha256/" + of["digest"].removeprefix("sha256:")  # noqa: E731
    assert described["Config"] == path(manifest["config"])
    assert described["Layers"] == [path(layer) for layer in manifest["layers"]]
    assert described["RepoTags"] == [f"restage:{version}"]


def test_the_layers_are_those_that_the_configuration_names(layout, manifest, config):
    unpacked = [
        subprocess.run(["gzip", "--decompress"], input=blob(layout, layer), capture_output=True, check=True).stdout
        for layer in manifest["layers"]
    ]
    assert [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in unpacked] == config["rootfs"]["diff_ids"]
    assert len(config["history"]) == len(unpacked)


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_skopeo_reads_and_copies_it(archive, config, version, tmp_path):
    source = f"oci-archive:{archive}"
    read = subprocess.run(["skopeo", "inspect", "--config", source], capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout)["config"]["Entrypoint"] == config["config"]["Entrypoint"]
    for target in (f"dir:{tmp_path / 'dir'}", f"docker-archive:{tmp_path / 'docker.tar'}:restage:copy"):
        command = ["skopeo", "--insecure-policy", "copy", "--quiet", source, target]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    command = ["skopeo", "inspect", "--config", f"docker-archive:{archive}:restage:{version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nobody_runs_it_and_only_the_volume_is_written(config, root):
    given = config["config"]
    assert given["User"] == f"{USER}:{USER}"
    assert given["ExposedPorts"] == {"4080/tcp": {}, "4081/udp": {}}
    assert given["Volumes"] == {"/data": {}}
    programs = [
        path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o111
    ]
    # The program, and libraries: no shell and nothing else to run.
    assert [path.relative_to(root).as_posix() for path in programs if ".so" not in path.name] == ["usr/bin/restage"]
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        assert not mode & 0o6000, f"{path} is set-user-id"
        assert path.is_symlink() or path == root / "tmp" or not mode & 0o002, f"{path} is writable by all"


def test_scanners_find_what_is_in_it(root):
    for name in ("libc6", "libssl3", "libstdc++6", "ca-certificates"):
        status = (root / "var/lib/dpkg/status.d" / name).read_text(encoding="utf-8")
        assert re.search(r"(?m)^Version: \d", status), name
        assert (root / "usr/share/doc" / name / "copyright").stat().st_size > 0 or name.startswith("libstd")


@contextlib.contextmanager
def container(root, data, config, environment=()):
    """Runs the image's command as a container, with a network of its own. Yields its process."""
    given = config["config"]
    user, group = given["User"].split(":")
    script = f"""
        set -e
        mount --make-rprivate /
        mount --bind {root} {root}
        mount --bind {data} {root}/data
        mount -o remount,bind,ro {root}
        mount -t proc proc {root}/proc
        mount -t tmpfs tmpfs {root}/dev
        for device in null zero full random urandom; do
            touch {root}/dev/$device
            mount --bind /dev/$device {root}/dev/$device
        done
        ip link set lo up
        # The three capabilities that chroot needs end when it becomes another user.
        exec setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid --inh-caps=-all \\
            {shutil.which("chroot")} --userspec={user}:{group} --groups={group} {root} "$@"
    """
    process = subprocess.Popen(
        [
            *("unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--fork", "--kill-child"),
            *("bash", "-c", script, "bash", *given["Entrypoint"], *given["Cmd"]),
        ],
        env=dict(item.split("=", 1) for item in [*given["Env"], *environment]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
        # As `docker stop` does it.
        os.kill(inside(process), signal.SIGTERM)
        assert process.wait(STOP_S) == 0, process.stdout.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def inside(process):
    """The first process of the container, seen from here."""
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if children else None


def ask(process, data):
    """What a program sees of the server, or None while it does not answer."""
    credentials = data / "credentials"
    pid = inside(process)
    assert process.poll() is None, process.stdout.read()
    if pid is None or not credentials.exists():
        return None
    done = subprocess.run(
        ["nsenter", f"--target={pid}", "--net", "--", sys.executable, ASK, URL, credentials.read_text()],
        env={"HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def run_inside(process, variables, *command):
    """Runs a command of the container in it, as its user, with those variables."""
    namespaces = ("--mount", "--pid", "--net", "--root", "--wd")
    user = (f"--setuid={USER}", f"--setgid={USER}")
    return subprocess.run(
        ["nsenter", f"--target={inside(process)}", *namespaces, *user, *command],
        env=dict(item.split("=", 1) for item in variables),
        capture_output=True,
        text=True,
        check=False,
    )


def health(process, variables):
    """The check of the compose file."""
    kind, *command = compose()["services"]["restage"]["healthcheck"]["test"]
    assert kind == "CMD"
    return run_inside(process, variables, *command)


def compose():
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))


def settings():
    """The variables that compose.yaml gives, with its own defaults."""
    given = compose()["services"]["restage"]["environment"]
    default = re.compile(r"\$\{\w+:-(.*)\}")
    return [f"{name}={default.sub(lambda found: found[1], value)}" for name, value in given.items()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes the namespaces of a container")
def test_it_runs_as_compose_runs_it(root, config, tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, USER, USER)
    # The directory above is the test's; the user of the container only sees what is mounted.
    variables = [*config["config"]["Env"], *settings()]
    with container(root, data, config, settings()) as process:
        seen = eventually(lambda: ask(process, data), what="the container answers")
        assert seen == {"health": 200, "created": "trial", "stages": ["trial"]}
        pid = inside(process)
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert re.search(rf"(?m)^Uid:\s+{USER}\s+{USER}", status)
        assert re.search(r"(?m)^CapEff:\s+0+$", status) and re.search(r"(?m)^NoNewPrivs:\s+1$", status)
        assert (data / "credentials").stat().st_uid == USER
        assert (data / "credentials").stat().st_mode & 0o777 == 0o600
        healthy = health(process, variables)
        assert healthy.returncode == 0, healthy.stderr
        # What it needs of its kernel and its files, among them the sandboxes of the children.
        found = run_inside(process, variables, "/usr/bin/restage", "doctor")
        for name in ("thumbnails", "composition", "data-dir", "storage", "secrets"):
            assert re.search(rf"(?m)^ok +{name} ", found.stdout), found.stdout + found.stderr
        # Nothing but /data can be written.
        outside = run_inside(process, variables, "/usr/bin/restage", "man", "/usr/share/man")
        assert outside.returncode == 1 and "Read-only file system" in outside.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes the namespaces of a container")
def test_its_data_outlives_it(root, config, tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, USER, USER)
    for stages in (1, 2):
        with container(root, data, config, settings()) as process:
            seen = eventually(lambda: ask(process, data), what="the container answers")
            assert seen["stages"] == ["trial"] * stages


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("podman"), reason="podman is not installed, or not for root")
def test_podman_runs_it(archive, version):
    done = subprocess.run(
        ["unshare", "--mount", "--net", PODMAN, archive, f"restage:{version}", binary(), *settings()],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Media went through the published port, in both directions.
    watched = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"bitsPerSecond"')]
    assert any(track["frames"] for line in watched for track in line["tracks"]), done.stdout
    assert done.stdout.rstrip().endswith("exit code 0"), done.stdout
    # Under the engine's own filter of system calls the sandboxes of the children hold, too.
    for name in ("thumbnails", "composition"):
        assert re.search(rf"(?m)^ok +{name} ", done.stdout), done.stdout


def test_compose_publishes_what_the_image_exposes(config, dist, version):
    service = compose()["services"]["restage"]
    given = yaml.safe_load((dist / "compose.yaml").read_text(encoding="utf-8"))["services"]["restage"]
    assert given == service | {"image": f"restage:{version}"}
    published = {inside: outside for address, outside, inside in (port.rsplit(":", 2) for port in service["ports"])}
    assert set(published) == set(config["config"]["ExposedPorts"])
    # Clients are told the port inside.
    assert published["4081/udp"] == "4081"
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["user"] == config["config"]["User"]


def published():
    """Every port that the compose file and commands of the documentation publish, also those in comments."""
    compose_lines = re.findall(r'(?m)^ *(?:# )?- "([\d.:]+:\d+/\w+)"', COMPOSE.read_text(encoding="utf-8"))
    found = [(COMPOSE.name, port) for port in compose_lines]
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), PODMAN]:
        if "node_modules" not in page.parts:
            text = page.read_text(encoding="utf-8")
            found += [(page.name, port) for port in re.findall(r"(?:--publish|\s-p)[ =]([\d.]*:?\d+:\d+\S*)", text)]
    return found


def test_what_serves_this_machine_only_is_published_at_its_loopback():
    found = published()
    assert {name for name, _ in found} == {"compose.yaml", "install.md", "podman.sh"}
    assert [where for where in found if not where[1].startswith("127.0.0.1:")] == []


def opened():
    """The service as the guide's compose.override.yaml changes it."""
    text = (ROOT / "docs/guides/install.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"(?ms)^```yaml\n(services:\n  restage:.*?)^```$", text)
    return yaml.safe_load(block.replace("!override", ""))["services"]["restage"]


def test_the_guide_publishes_the_ports_of_the_container():
    inside = [port.rsplit(":", 1)[1] for port in opened()["ports"]]
    assert inside == [port.rsplit(":", 1)[1] for port in compose()["services"]["restage"]["ports"]]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes the namespaces of a container")
def test_the_container_is_healthy_with_tls_as_the_guide_sets_it(root, config, tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, USER, USER)
    given = opened()["environment"]
    assert given["RESTAGE_TLS"] == "auto"
    # A name that an authority may certify. No authority is at that address.
    given["RESTAGE_PUBLIC_URL"] = given["RESTAGE_PUBLIC_URL"].replace("example.org", "trial-of-restage.org")
    given["RESTAGE_ACME_DIRECTORY"] = "https://127.0.0.1:1/directory"
    variables = [*config["config"]["Env"], *settings(), *(f"{name}={value}" for name, value in given.items())]
    with container(root, data, config, variables) as process:
        eventually(lambda: ask(process, data), what="the container answers")
        done = health(process, variables)
        assert done.returncode == 0, done.stderr
