"""What `make dist` makes: that all of it is there, works from where it was unpacked, and is the same every time."""

import hashlib
import json
import os
import re
import subprocess
import tarfile

import pytest

from conftest import ROOT, binary, build, only


def sums(directory):
    """{name: checksum}, as SHA256SUMS says it."""
    lines = (directory / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def test_the_sums_are_those_of_all_files(dist):
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in dist.iterdir() if path.name != "SHA256SUMS"
    }
    assert found == sums(dist)


def test_the_same_commit_and_binary_give_the_same_bytes(dist, tmp_path):
    # Another day, zone, language, place and mask.
    (tmp_path / "elsewhere").mkdir()
    wrapped = {
        "TMPDIR": str(tmp_path / "elsewhere"),
        "TZ": "Asia/Tokyo",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "7",
        "DIST_PARTS": os.environ.get("DIST_PARTS", "archive deb image python node"),
    }
    before = os.umask(0o077)
    try:
        again = build(tmp_path / "again", **wrapped)
    finally:
        os.umask(before)
    assert sums(again) == sums(dist)


@pytest.fixture(scope="module")
def unpacked(dist, version, tmp_path_factory):
    place = tmp_path_factory.mktemp("archive")
    archive = only(dist, f"restage-{version}-*-linux.tar.gz")
    with tarfile.open(archive) as file:
        assert all(member.uid == member.gid == 0 for member in file)
        file.extractall(place, filter="data")
    return only(place, f"restage-{version}-*-linux")


def commands(path):
    """Every command of a binary that its help lists, as words: [["serve"], ["replicas", "list"], …]."""

    def below(words):
        text = subprocess.run([path, *words, "--help"], capture_output=True, text=True, check=True).stdout
        block = re.search(r"(?ms)^Commands:\n(.*?)\n\n", text)
        if block is None:
            return []
        names = [name for name in re.findall(r"(?m)^  (\S+)", block[1]) if name != "help"]
        return [found for name in names for found in ([*words, name], *below([*words, name]))]

    return below([])


def test_the_archive_has_the_program_and_a_page_for_each_command(unpacked, version):
    program = unpacked / "bin" / "restage"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert said == f"restage {version}\n"
    pages = {path.name for path in (unpacked / "share/man/man1").iterdir()}
    wanted = {"-".join(["restage", *words]) + ".1" for words in [[], *commands(program)]}
    assert pages == wanted
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "THIRD-PARTY-LICENSES", "restage.toml", "compose.yaml"):
        assert (unpacked / name).stat().st_size > 0, name
    for shell in ("bash-completion/completions/restage", "zsh/site-functions/_restage"):
        assert (unpacked / "share" / shell).stat().st_size > 0


def documented():
    """The commands in the table of docs/cli.md: `replicas list` `start` `stop` are three."""
    found = set()
    for line in (ROOT / "docs/cli.md").read_text(encoding="utf-8").splitlines():
        names = re.findall(r"`([a-z -]+)`", line.split("|")[1]) if line.startswith("| `") else []
        group = None
        for name in names:
            group = name.split()[0] if " " in name else group
            found |= {name, f"{group} {name}"}
    return found


def test_every_command_is_documented(unpacked):
    found = [" ".join(words) for words in commands(unpacked / "bin" / "restage")]
    groups = {name.split()[0] for name in found if " " in name}
    assert [name for name in found if name not in groups and name not in documented()] == []


def test_the_symbols_are_those_of_the_binary(dist, unpacked, version, tmp_path):
    with tarfile.open(only(dist, f"restage-{version}-*-linux-symbols.tar.gz")) as file:
        file.extractall(tmp_path, filter="data")
    symbols = only(tmp_path, "*/restage.debug")
    link = subprocess.run(
        ["readelf", "--string-dump=.gnu_debuglink", unpacked / "bin" / "restage"],
        capture_output=True,
        check=True,
    ).stdout
    assert b"restage.debug" in link
    names = subprocess.run(["nm", "--defined-only", symbols], capture_output=True, text=True, check=True).stdout
    assert "restage_server" in names
    assert subprocess.run(["nm", unpacked / "bin" / "restage"], capture_output=True, check=False).stdout == b""
    assert (unpacked / "bin" / "restage").stat().st_size < binary().stat().st_size


def test_licences_of_what_is_linked_are_there(unpacked):
    text = (unpacked / "THIRD-PARTY-LICENSES").read_text(encoding="utf-8")
    for name in ("tokio", "aws-lc-sys", "openh264-sys2", "opusic-sys", "libsqlite3-sys"):
        assert re.search(rf"(?m)^{name} \d", text), name
    # The texts of the C libraries inside crates.
    assert "Cisco Systems" in text and "Xiph.Org" in text


def test_every_package_has_the_version_of_the_workspace(version, tmp_path):
    tool = ROOT / "scripts" / "package" / "versions.py"
    done = subprocess.run(["python3", tool, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert subprocess.run(["python3", tool], capture_output=True, text=True, check=True).stdout.strip() == version


def test_a_version_that_was_forgotten_is_found(tmp_path):
    copied = tmp_path / "scripts" / "package"
    copied.mkdir(parents=True)
    (copied / "versions.py").write_bytes((ROOT / "scripts/package/versions.py").read_bytes())
    for name in ("Cargo.toml", "Cargo.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    package = tmp_path / "js" / "one" / "package.json"
    package.parent.mkdir(parents=True)
    package.write_text('{\n  "name": "one",\n  "version": "9.9.9"\n}\n', encoding="utf-8")

    def run(*arguments):
        command = ["python3", copied / "versions.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    forgotten = run("--check")
    assert forgotten.returncode == 1 and 'js/one/package.json: "version": "9.9.9"' in forgotten.stderr
    assert run("--set", "3.2.1").returncode == 0
    assert json.loads(package.read_text())["version"] == "3.2.1"
    assert run().stdout == "3.2.1\n"
    # Cargo.lock follows with the next cargo.
    assert "Cargo.lock: restage " in run("--check").stderr
    assert run("--set", "not a version").returncode != 0
