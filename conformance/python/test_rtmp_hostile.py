"""Strangers at the port of RTMP: they hold connections, send garbage or guess keys, and nobody else notices."""

import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import threading
import time
import urllib.request

import pytest

from support.encoder import encoding
from support.ingest import Ingests, listening
from support.server import binary, clean_environment
from support.wait import eventually

# How well others are served is measured.
pytestmark = pytest.mark.alone

SERVER_ARGUMENTS = listening()
# Addresses of this machine that strangers connect from. The encoders of the test have another one.
STRANGERS = [f"127.0.1.{number}" for number in range(1, 41)]
CONNECTIONS = 10_000
# Connections that one thread of strangers keeps open: as many as the server lets in, and some more.
KEPT_MAX = 400
MEMORY_MAX_KB = 64 << 10
# The bounds of restage-rtmp.
WAITING_MAX = 256


@pytest.fixture
def ingests(stages):
    return Ingests(stages)


@pytest.fixture
def stage(stages):
    arn = stages.create("strangers")
    yield arn
    stages.ivs.delete_stage(arn=arn)


def memory_kb(server):
    """The memory of the server that is in use."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def connect(port, number):
    stranger = socket.socket()
    stranger.settimeout(5)
    stranger.bind((STRANGERS[number % len(STRANGERS)], 0))
    stranger.connect(("127.0.0.1", port))
    return stranger


class Viewer:
    """`restage watch` of a publisher, while strangers come."""

    def __init__(self, token, publisher):
        self.process = subprocess.Popen(
            [binary(), "watch", "--token", token, publisher, "--output", "json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=clean_environment(),
        )
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        self.lines.extend(map(json.loads, self.process.stdout))

    def video(self):
        tracks = self.lines[-1]["tracks"] if self.lines else []
        return next((track for track in tracks if track["kind"] == "video"), {})

    def stop(self):
        self.process.kill()
        self.process.wait(timeout=30)


@contextlib.contextmanager
def undisturbed(server, ingests, stages, stage):
    """A stream that is published and watched while the block runs, and must not suffer."""
    made = ingests.create(stage)
    publisher = made["participantId"]
    with encoding(ingests.endpoint(stage) + made["streamKey"]) as encoder:
        ingests.published(stage, publisher, encoder)
        viewer = Viewer(stages.token(stage)[1], publisher)
        try:
            eventually(lambda: viewer.video().get("framesPerSecond", 0) > 25, 60, what="steady pictures")
            before = memory_kb(server)
            frames, at = viewer.video()["frames"], len(viewer.lines)
            yield
            eventually(lambda: len(viewer.lines) >= at + 2, what="figures")
            seconds = len(viewer.lines) - at
            rate = (viewer.video()["frames"] - frames) / seconds
            assert rate > 20, f"{rate} pictures a second: {viewer.video()}"
            assert viewer.video()["damaged"] == 0
            assert not encoder.is_over(), encoder.told()
            more = memory_kb(server) - before
            assert more < MEMORY_MAX_KB, f"{more} KB more"
        finally:
            viewer.stop()
    ingests.delete(made)


def port_of(ingests, stage):
    return int(ingests.endpoint(stage).rsplit(":", 1)[1].split("/")[0])


@pytest.mark.timeout(240)
def test_connections_that_say_nothing_keep_nobody_out(server, ingests, stages, stage):
    port = port_of(ingests, stage)
    come, is_over = [0], threading.Event()

    def hold():
        """Holds as many connections as the server takes, anew as it closes them."""
        kept = []
        while not is_over.is_set():
            with contextlib.suppress(OSError):
                kept.append(connect(port, come[0]))
            come[0] += 1
            if len(kept) > KEPT_MAX:
                kept.pop(0).close()
        for stranger in kept:
            stranger.close()

    with undisturbed(server, ingests, stages, stage):
        open_before = descriptors(server)
        strangers = threading.Thread(target=hold, daemon=True)
        strangers.start()
        try:
            eventually(lambda: come[0] > CONNECTIONS / 2, 60, what="many strangers")
            assert descriptors(server) < open_before + WAITING_MAX + 64
            # Another encoder comes in the middle of it.
            made = ingests.create(stage)
            with encoding(ingests.endpoint(stage) + made["streamKey"]) as encoder:
                ingests.published(stage, made["participantId"], encoder)
            ingests.delete(made)
            eventually(lambda: come[0] > CONNECTIONS, 60, what="ten thousand strangers")
        finally:
            is_over.set()
            strangers.join(timeout=30)
    eventually(lambda: descriptors(server) < open_before + 32, 30, what="their connections are closed")


def handshake(chance):
    """C0, C1 and C2 of a client whose time is of no matter."""
    return b"\x03" + bytes(8) + chance.randbytes(1528) + chance.randbytes(1536)


def message(kind, body, stream=3, size=None):
    """A chunk of type 0, with the length that it says."""
    length = len(body) if size is None else size
    return struct.pack(">B3s3sB4s", stream, bytes(3), length.to_bytes(3, "big"), kind, bytes(4)) + body


def garbage(chance):
    """What a stranger may send."""
    return chance.choice(
        [
            lambda: chance.randbytes(chance.randrange(1, 5_000)),
            lambda: b"\x03" + chance.randbytes(chance.randrange(1, 5_000)),
            lambda: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            lambda: handshake(chance) + chance.randbytes(5_000),
            # A chunk size of 2 GiB, and messages that are said to be long and do not come.
            lambda: handshake(chance) + message(1, b"\x7f\xff\xff\xff", stream=2),
            lambda: handshake(chance) + message(9, bytes(100), size=(4 << 20) - 1),
            lambda: handshake(chance) + message(9, bytes(100), size=0xFFFFFF),
            lambda: handshake(chance) + b"".join(message(8, b"", stream, 60_000) for stream in range(3, 60)),
            # AMF0 that is deeper than anybody needs, and one that says that it has a billion members.
            lambda: handshake(chance) + message(20, b"\x02\x00\x07connect" + b"\x03\x00\x01a" * 2_000),
            lambda: handshake(chance) + message(20, b"\x02\x00\x07connect\x0a\x3f\xff\xff\xff"),
        ]
    )()


@pytest.mark.timeout(240)
def test_garbage_disturbs_nobody(server, ingests, stages, stage):
    port = port_of(ingests, stage)
    chance = random.Random(17)
    with undisturbed(server, ingests, stages, stage):
        ends_at = time.monotonic() + 60
        for number in range(2_000):
            with contextlib.suppress(OSError), connect(port, number) as stranger:
                stranger.sendall(garbage(chance))
            if time.monotonic() > ends_at:
                assert number > 500, f"only {number} within a minute"
                break
    assert server.is_alive()
    assert "panicked" not in server.tail(5_000)


@pytest.mark.timeout(240)
def test_who_guesses_keys_is_slowed_down_and_then_refused(server, ingests, stage):
    made = ingests.create(stage)
    wrong = made["streamKey"][:-1] + "-"

    def ask(key):
        """Seconds until it is answered, and the answer."""
        begin = time.monotonic()
        with socket.create_connection(
            ("127.0.0.1", port_of(ingests, stage)), timeout=20, source_address=(guesser, 0)
        ) as it:
            it.sendall(handshake(random.Random(1)) + commands(key))
            told = b""
            while b"NetStream.Publish" not in told and (part := it.recv(65_536)):
                told += part
        return time.monotonic() - begin, told

    guesser = "127.0.2.1"
    for key in (wrong, "live", "rt_" + "x" * 500):
        seconds, told = ask(key)
        assert b"INVALID_STREAM_KEY" in told and 1 <= seconds < 5, (seconds, told)
    # As many at a time as a client may.
    answers = []
    for _ in range(6):
        threads = [threading.Thread(target=ask, args=(wrong,)) for _ in range(14)]
        for thread in threads:
            thread.start()
        answers.append(ask(made["streamKey"])[1])
        for thread in threads:
            thread.join(timeout=30)
    assert any(b"INVALID_STREAM_KEY" in told for told in answers), "even with a right one"
    # Other clients are not concerned, while as many guess as are let in.
    with encoding(ingests.endpoint(stage) + made["streamKey"]) as encoder:
        ingests.published(stage, made["participantId"], encoder)
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        assert b'restage_rtmp_refused_total{code="INVALID_STREAM_KEY"}' in answer.read()
    ingests.delete(made)


def commands(key):
    """`connect`, `createStream` and `publish` with a key."""

    def text(value):
        return b"\x02" + len(value).to_bytes(2, "big") + value

    def number(value):
        return b"\x00" + struct.pack(">d", value)

    app = b"\x03" + b"\x00\x03app" + text(b"app") + b"\x00\x00\x09"
    size = message(1, (65_536).to_bytes(4, "big"), stream=2)
    connecting = message(20, text(b"connect") + number(1) + app)
    creating = message(20, text(b"createStream") + number(2) + b"\x05")
    publishing = text(b"publish") + number(3) + b"\x05" + text(key.encode()) + text(b"live")
    return size + connecting + creating + message(20, publishing)
