"""README.md as a reader pastes it: installed, run from top to bottom, against a server that was just started."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import imageio_ffmpeg
import pytest

from support.ports import free_port
from support.server import ROOT, Server, binary, clean_environment
from support.tls import self_signed
from support.wait import eventually

README = ROOT / "README.md"
INGEST = ROOT / "docs" / "ingest.md"
# What the README says the server is at.
ADDRESS = "http://127.0.0.1:4080"
SCRIPT_S = 180
START_S = 60


def blocks(language, page=README):
    """The fenced blocks of a page in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def is_server(line):
    return line.startswith(("make ", "restage serve"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """PREFIX/bin after `make install`."""
    prefix = tmp_path_factory.mktemp("prefix")
    done = subprocess.run(
        ["make", "--silent", "install", f"PREFIX={prefix}"],
        cwd=ROOT,
        env=clean_environment(RESTAGE_BINARY=str(binary())),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SCRIPT_S,
    )
    assert done.returncode == 0, done.stderr
    assert "next: restage serve" in done.stdout
    return prefix / "bin"


@pytest.fixture(scope="module")
def tools(installed, tmp_path_factory):
    """A PATH with restage as installed, the AWS CLI and boto3 of the tests, and the FFmpeg of PyPI."""
    directory = tmp_path_factory.mktemp("tools")
    (directory / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    own = pathlib.Path(sys.executable).parent
    return os.pathsep.join(map(str, (installed, directory, own, os.environ["PATH"])))


@pytest.fixture
def place(tmp_path):
    """A fresh server with its data in ./data, as `restage serve` makes it."""
    server = Server(tmp_path / "data", name="test_readme").start()
    yield server, tmp_path
    server.stop()


def bash(script, directory, path):
    """Runs a script to its end; everything it left running ends with it."""
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        env=clean_environment(PATH=path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=SCRIPT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"not within {SCRIPT_S} s: {script}\n{out}\n{err}") from None
    assert process.returncode == 0, f"{process.returncode}: {script}\n{out}\n{err}"
    return out


def test_make_install_installs_everything(installed):
    version = subprocess.run(
        [installed / "restage", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert version.stdout.startswith("restage ")
    share = installed.parent / "share"
    for name in (
        "man/man1/restage-publish.1",
        "bash-completion/completions/restage",
        "zsh/site-functions/_restage",
        "fish/vendor_completions.d/restage.fish",
    ):
        assert (share / name).stat().st_size > 0, name


def test_the_shell_blocks_work_from_top_to_bottom(place, tools):
    server, directory = place
    script, has_ffmpeg = [], False
    for block in blocks("sh"):
        lines = [line for line in block.splitlines() if not is_server(line)]
        if any(line.startswith("ffmpeg ") for line in lines):
            has_ffmpeg = True
            # It runs until it is stopped, so its effects are checked from outside.
            lines[-1] += " >ffmpeg.log 2>&1 &"
            lines.append("restage watch lobby bob --stop-after 6 >bob.jsonl")
            lines.append("kill %%")
        # What a block prints is kept by its place.
        script += [f"{{ {os.linesep.join(lines)}\n}} >>out.txt" if lines else ":"]
    assert has_ffmpeg
    # The first publisher is a job of the shell, as in a terminal.
    script.append("kill $(jobs -p) 2>/dev/null || true; wait || true")
    text = "set -m\n" + "\n".join(script).replace(ADDRESS, server.url)
    bash(text, directory, tools)
    out = (directory / "out.txt").read_text()
    assert re.search(r'"destinationStageArn": "arn:aws:ivs:[^"]*"', out) and '"replicationState": "ACTIVE"' in out
    assert '"inUse": true' in out and '"permission": "read-only"' in out
    # Two publications were watched: in the lobby, and as a replica.
    watched = [json.loads(line) for line in out.splitlines() if line.startswith("{") and '"tracks"' in line]
    assert [line for line in watched if line["tracks"] and line["tracks"][0]["frames"] > 0], out
    backups = list(directory.glob("*.jsonl"))
    assert len([path for path in backups if path.name != "bob.jsonl"]) == 1, backups
    # FFmpeg's picture and sound.
    last = json.loads((directory / "bob.jsonl").read_text().splitlines()[-1])
    kinds = {track["kind"]: track for track in last["tracks"]}
    log = (directory / "ffmpeg.log").read_text()
    assert kinds["video"]["codec"] == "H.264" and kinds["video"]["frames"] > 30, f"{last}\n{log}"
    assert (kinds["video"]["width"], kinds["video"]["height"]) == (640, 360), last
    assert kinds["audio"]["codec"] == "Opus" and kinds["audio"]["frames"] > 30, f"{last}\n{log}"


def test_the_ffmpeg_line_has_what_every_viewer_needs():
    (line,) = [block for block in blocks("sh") if "ffmpeg " in block]
    for option in ("-pix_fmt yuv420p", "-ac 2", "-ar 48000", "-g 60"):
        assert f" {option} " in line, option


def test_the_python_block_publishes_and_prints_its_replica(place, tools):
    _, directory = place
    (block,) = blocks("python")
    (directory / "sample.py").write_text(block, encoding="utf-8")
    out = bash('eval "$(restage env)"\npython sample.py\n', directory, tools)
    lines = out.splitlines()
    assert re.fullmatch(r"arn:aws:ivs:\S+:stage/\S+ ACTIVE", lines[-2]), out
    assert lines[-1] == "None", out


def servers():
    """The servers of the README and of the guide for encoders."""
    found = [*blocks("sh"), *blocks("sh", INGEST)]
    return [line for block in found for line in block.splitlines() if line.startswith("restage serve")]


@pytest.mark.parametrize("line", servers())
def test_every_server_of_the_readme_starts(line, tools, tmp_path):
    database = os.environ.get("RESTAGE_TEST_POSTGRES")
    if "postgres://" in line:
        if not database:
            pytest.skip("no PostgreSQL here: RESTAGE_TEST_POSTGRES is not set")
        schema = "readme"
        psql = [os.environ["RESTAGE_TEST_PSQL"], "--quiet", database, "-c"]
        subprocess.run([*psql, f"DROP SCHEMA IF EXISTS {schema} CASCADE"], check=True, capture_output=True)
        subprocess.run([*psql, f"CREATE SCHEMA {schema}"], check=True, capture_output=True)
        line = re.sub(r"postgres://\S+", f"'{database}?options=-csearch_path%3D{schema}'", line)
    line = line.split("  #")[0]
    # Tests stay on this machine, on ports that are free.
    host = "127.0.0.1"
    if "--tls auto" in line:
        # An authority that nobody reaches: the server starts all the same, and asks again later.
        host = "0.0.0.0"
        line += " --acme-challenge http-01 --acme-directory https://127.0.0.1:1/directory"
    if "--tls-cert" in line:
        made = self_signed(tmp_path / "made", ("video.example.org",))
        for path, name in zip(made, ("chain.pem", "key.pem"), strict=True):
            path.rename(tmp_path / name)

    def listener(_=None):
        return f"--http {host}:{free_port(socket.SOCK_STREAM)}"

    if "--http" in line:
        line = re.sub(r"--http \S+", listener, line)
    else:
        line += f" {listener()}"
    line = re.sub(r"--(rtmps?) \S+", lambda found: f"--{found[1]} {host}:{free_port(socket.SOCK_STREAM)}", line)
    line = re.sub(r"--media-ip \"\$\([^)]*\)\"", "--media-ip 127.0.0.1", line)
    line += f" --media-port {free_port(socket.SOCK_DGRAM)}"
    process = subprocess.Popen(
        ["bash", "-c", f"exec {line}"],
        cwd=tmp_path,
        env=clean_environment(PATH=tools),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(tmp_path / "log").open("w"),
        text=True,
    )

    def said():
        return (tmp_path / "log").read_text()

    try:
        eventually(lambda: "ready on" in said() or process.poll() is not None, START_S, "it is ready")
        assert "ready on" in said(), f"{line}\n{said()}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_S) == 0, said()
    finally:
        process.kill()
        process.wait()
