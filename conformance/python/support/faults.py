"""Faults that tests inject into a server, and how it stands then."""

import contextlib
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from .wait import eventually

# What the server may take for a stop, its own bound and a busy machine included.
STOP_S = 20


def skip_unless(there, lacking):
    """What a machine lacks skips a test there, but not in CI."""
    if there:
        return
    assert not os.environ.get("CI"), lacking
    print(f"skipped: {lacking}")
    pytest.skip(lacking)


def ready(server):
    """(status, sentence) of /readyz; (0, "") when there is no answer."""
    try:
        with urllib.request.urlopen(server.url + "/readyz", timeout=10) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["message"]
    except OSError:
        return 0, ""


def metric(server, name):
    """The value of a metric without labels."""
    with urllib.request.urlopen(server.url + "/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def ended(server, within_s=STOP_S):
    """The exit code of a server that ends by itself."""
    process, server.process = server.process, None
    try:
        return process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"serve did not end within {within_s} s:\n{server.tail()}") from None


def refused_start(server, *words):
    """What a server says that does not start; it has to contain these words."""
    with pytest.raises(AssertionError, match="ended with 1"):
        server.start()
    server.process = None
    words = ("the server does not start", *words)
    # Its last lines are read a moment after it has ended.
    eventually(lambda: all(word in server.tail() for word in words), what=f"{words} in what it says")
    return server.tail()


def names(stages):
    """The names of all stages."""
    found, token = set(), {}
    while True:
        page = stages.ivs.list_stages(maxResults=100, **token)
        found |= {item["name"] for item in page["stages"]}
        if not page.get("nextToken"):
            return found
        token = {"nextToken": page["nextToken"]}


@contextlib.contextmanager
def mounted(place, size):
    """A file system of that size, in memory."""
    skip_unless(os.geteuid() == 0 and shutil.which("mount"), "a small file system cannot be mounted here: not root")
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "restage-test", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    skip_unless(done.returncode == 0, f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextlib.contextmanager
def loop_mounted(place, size):
    """An ext4 file system of that size, in a file beside it."""
    skip_unless(os.geteuid() == 0 and shutil.which("mkfs.ext4"), "a file system cannot be made here")
    place.mkdir()
    image = place.with_suffix(".img")
    with open(image, "wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    done = subprocess.run(["mount", "-o", "loop", str(image), str(place)], capture_output=True, text=True, check=False)
    skip_unless(done.returncode == 0, f"a file cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextlib.contextmanager
def injected(server, calls, fault="error=EIO"):
    """These system calls of the server have a fault meanwhile."""
    inject = ("-e", f"trace={calls}", "-e", f"inject={calls}:{fault}")
    command = ["strace", "-f", "-o", os.devnull, *inject, "-p", str(server.process.pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        # Before that line the calls have no fault, which takes long on a busy machine.
        assert "attached" in tracer.stderr.readline()
        yield
    finally:
        tracer.kill()
        tracer.wait()


def fill(place):
    """Takes all the room there is; the file that does."""
    filler = place / "filler"
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return filler
