"""The Debian package: what is in it, and how it is installed, changed, upgraded and removed where systemd runs."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import only
from support import machine as machines
from support.wait import eventually

ASK = pathlib.Path(machines.__file__).with_name("ask.py")
UNIT = "restage.service"
SETTINGS = "/etc/restage/restage.toml"
DATA = "/var/lib/restage"
# 0 is the least exposed, 10 the most. What is left: a network, which a server needs, and no root of its own.
EXPOSURE_MAX = 1.9

pytestmark = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not installed")


@pytest.fixture(scope="module")
def package(dist):
    return only(dist, "restage_*.deb")


@pytest.fixture(scope="module")
def tree(package, tmp_path_factory):
    """The files of the package."""
    place = tmp_path_factory.mktemp("deb")
    subprocess.run(["dpkg-deb", "--raw-extract", package, place], check=True)
    return place


def field(package, name):
    return subprocess.run(["dpkg-deb", "--field", package, name], check=True, capture_output=True, text=True).stdout


def test_it_depends_on_what_the_binary_links(package):
    depends = field(package, "Depends")
    for library in ("libc6", "libssl3", "libstdc++6", "libgcc-s1"):
        assert library in depends, depends
    assert "adduser" in depends


def test_no_setting_is_made_but_the_directory(tree):
    lines = (tree / SETTINGS.lstrip("/")).read_text(encoding="utf-8").splitlines()
    made = [line for line in lines if line and not line.startswith("#")]
    assert made == [f'data-dir = "{DATA}"']
    # Every setting is there, with a line that can be taken as it is.
    assert sum(re.match(r"# [a-z-]+ = ", line) is not None for line in lines) > 60
    assert (tree / "DEBIAN" / "conffiles").read_text() == f"{SETTINGS}\n"


def test_files_belong_to_root_and_nobody_else_may_write_them(package):
    listed = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        mode, owner, *_ = line.split()
        assert owner == "root/root", line
        assert mode[5] == "-" and mode[8] == "-", line


def test_every_command_has_a_manual_page(tree):
    pages = {path.name for path in (tree / "usr/share/man/man1").iterdir()}
    assert {"restage.1.gz", "restage-serve.1.gz", "restage-replicas-list.1.gz"} <= pages
    shells = ("bash-completion/completions/restage", "zsh/vendor-completions/_restage")
    for name in (*shells, "fish/vendor_completions.d/restage.fish"):
        assert (tree / "usr/share" / name).stat().st_size > 0, name


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_unit_lets_the_server_do_little(tree):
    unit = tree / "usr/lib/systemd/system" / UNIT
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert level and float(level[1]) <= EXPOSURE_MAX, done.stdout + done.stderr


@pytest.fixture(scope="module")
def machine(package, tmp_path_factory):
    """A machine on which the package was installed."""
    if reason := machines.missing():
        pytest.skip(reason)
    with machines.Machine(tmp_path_factory.mktemp("machine"), package.parent) as booted:
        booted.run("dpkg", "--install", f"/srv/packages/{package.name}")
        yield booted


def shown(machine, name):
    return machine.run("systemctl", "show", "--property", name, "--value", UNIT).stdout.strip()


def journal(machine):
    return machine.run("journalctl", "--unit", UNIT, "--no-pager", "--output=cat").stdout


def ask(machine, url):
    """What a program sees of the server, or None while it does not answer."""
    credentials = machine.root / DATA.lstrip("/") / "credentials"
    if not credentials.exists():
        return None
    text = credentials.read_text(encoding="utf-8")
    done = machine.beside(sys.executable, str(ASK), url, text, check=False, env={"HOME": "/nonexistent"})
    return json.loads(done.stdout) if done.returncode == 0 else None


def answered(machine, url="http://127.0.0.1:4080"):
    return eventually(lambda: ask(machine, url), what=lambda: journal(machine))


def test_it_serves_once_it_is_installed(machine):
    seen = answered(machine)
    assert seen == {"health": 200, "created": "trial", "stages": ["trial"]}
    assert shown(machine, "ActiveState") == "active"
    assert machine.run("systemctl", "is-enabled", UNIT).stdout.strip() == "enabled"


def test_its_secrets_are_its_own(machine):
    pid = shown(machine, "MainPID")
    status = (machine.root / "proc" / pid / "status").read_text()
    (user,) = re.findall(r"(?m)^Uid:\s+(\d+)", status)
    owner = (machine.root / DATA.lstrip("/")).stat()
    assert int(user) == owner.st_uid != 0
    assert owner.st_mode & 0o777 == 0o700
    settings = (machine.root / SETTINGS.lstrip("/")).stat()
    assert (settings.st_uid, settings.st_gid, settings.st_mode & 0o777) == (0, owner.st_gid, 0o640)
    # CAP_NET_BIND_SERVICE, bit 10, and nothing else.
    assert re.findall(r"(?m)^Cap(?:Eff|Bnd):\s+0*([0-9a-f]+)$", status) == ["400", "400"]
    assert re.search(r"(?m)^NoNewPrivs:\s+1$", status) and re.search(r"(?m)^Seccomp:\s+2$", status)


def change(machine, settings, drop_in=""):
    """Writes settings, and a drop-in of the unit, and starts the server again."""
    path = machine.root / SETTINGS.lstrip("/")
    path.write_text(f'data-dir = "{DATA}"\n{settings}', encoding="utf-8")
    place = machine.root / "etc/systemd/system" / f"{UNIT}.d"
    place.mkdir(exist_ok=True)
    (place / "trial.conf").write_text(f"[Service]\n{drop_in}", encoding="utf-8")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", UNIT)


def test_what_the_server_does_works_within_the_unit(machine):
    # `restage doctor` before the server, under the same restrictions: ports, addresses, the sandboxes of the children.
    check = f"ExecStartPre=-/usr/bin/restage doctor --config {SETTINGS}\n"
    change(machine, 'http = ["0.0.0.0:443", "0.0.0.0:80"]\nmedia-ip = ["127.0.0.1"]\nturn = true\n', check)
    answered(machine, "http://127.0.0.1:443")
    found = journal(machine)
    for name in ("thumbnails", "composition", "media-port", "data-dir", "storage", "secrets", "gso", "candidates"):
        assert re.search(rf"(?m)^ok +{name} ", found), found
    assert not re.search(r"(?m)^(fail|FAIL) ", found), found
    assert "SIGSYS" not in found and "core-dump" not in found, found


def test_a_drop_in_lets_it_record_elsewhere(machine):
    bucket = machine.root / "srv" / "recordings" / "talks"
    bucket.mkdir(parents=True)
    owner = (machine.root / DATA.lstrip("/")).stat()
    os.chown(bucket, owner.st_uid, owner.st_gid)
    check = f"ExecStartPre=-/usr/bin/restage doctor --config {SETTINGS}\n"
    change(machine, 'storage-root = "/srv/recordings"\n', f"{check}ReadWritePaths=/srv/recordings\n")
    answered(machine)
    assert re.search(r"(?m)^ok +storage .*/srv/recordings", journal(machine)), journal(machine)


def test_the_commands_of_the_documentation_work(machine):
    change(machine, "")
    answered(machine)
    made = machine.run(
        *("runuser", "--user", "restage", "--", "restage", "keys", "create", "--config", SETTINGS),
        *("--account-id", "111122223333", "--permission", "read-only"),
    )
    assert "aws_secret_access_key = " in made.stdout
    stages = machine.run("restage", "stages", "list", "--data-dir", DATA, "--region", "eu-west-1").stdout
    assert "trial" in stages


def test_an_upgrade_keeps_settings_and_data_and_starts_the_server_again(machine, package):
    change(machine, 'http = "127.0.0.1:4090"\n')
    before = answered(machine, "http://127.0.0.1:4090")
    pid = shown(machine, "MainPID")
    machine.run("dpkg", "--install", f"/srv/packages/{package.name}")
    after = answered(machine, "http://127.0.0.1:4090")
    assert shown(machine, "MainPID") != pid
    assert len(after["stages"]) == len(before["stages"]) + 1


def test_what_was_disabled_stays_disabled(machine, package):
    machine.run("systemctl", "disable", UNIT)
    machine.run("dpkg", "--install", f"/srv/packages/{package.name}")
    assert machine.run("systemctl", "is-enabled", UNIT, check=False).stdout.strip() == "disabled"


def test_removing_ends_the_server_and_purging_leaves_the_data(machine):
    pid = shown(machine, "MainPID")
    machine.run("dpkg", "--remove", "restage")
    assert not (machine.root / "proc" / pid).exists()
    assert (machine.root / SETTINGS.lstrip("/")).exists()
    machine.run("rm", "-r", f"/etc/systemd/system/{UNIT}.d")
    done = machine.run("dpkg", "--purge", "restage")
    assert "/var/lib/restage" in done.stderr
    assert not (machine.root / "etc/restage").exists()
    assert (machine.root / DATA.lstrip("/") / "restage.db").exists()
