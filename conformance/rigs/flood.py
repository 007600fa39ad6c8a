"""Measures what a viewer receives while strangers flood the media port.

    .venv/bin/python conformance/rigs/flood.py [--seconds 10] [--viewers 1]

Starts the server, one publisher and viewers of its own, all on loopback, and sends each kind of datagram as fast as
one process can. For every kind it prints how many were sent, how many of them the kernel passed on, and what the
viewers saw meanwhile: pictures a second, packets asked for again, damaged pictures. `RESTAGE_BINARY` names the binary;
a release build is what to measure.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import pathlib
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from support import api, stun
from support.api import Stages
from support.server import Server, binary, clean_environment
from support.wait import eventually

SEED = 20261128
DATAGRAMS = 512
# Time limit from a viewer's start to its first full second of pictures.
FIRST_PICTURES_S = 30
PICTURES_MIN = 20


def kinds(chance):
    """The kinds of datagrams by name, each a list to send in turn."""

    def noise(length):
        return bytes(chance.randrange(256) for _ in range(length))

    def unknown_check(_):
        return stun.check(f"{noise(4).hex()}:{noise(2).hex()}", "x" * 22)

    def rtp(_):
        return struct.pack("!BBHII", 0x80, 96, chance.randrange(1 << 16), 0, chance.randrange(1 << 32)) + noise(1000)

    def hello(_):
        body = b"\xfe\xfd" + noise(32) + b"\0\0\0\2\x13\x01\1\0"
        handshake = b"\x01" + len(body).to_bytes(3, "big") + b"\0\0\0\0\0" + len(body).to_bytes(3, "big") + body
        return b"\x16\xfe\xff" + b"\0" * 8 + len(handshake).to_bytes(2, "big") + handshake

    return {
        "noise of 1 to 1,400 bytes": [noise(chance.randrange(1, 1400)) for _ in range(DATAGRAMS)],
        "empty": [b""],
        "STUN checks for nobody": [unknown_check(n) for n in range(DATAGRAMS)],
        "RTP of nobody": [rtp(n) for n in range(DATAGRAMS)],
        "RTCP of nobody": [struct.pack("!BBHI", 0x81, 206, 2, n) + noise(8) for n in range(DATAGRAMS)],
        "DTLS hellos of nobody": [hello(n) for n in range(DATAGRAMS)],
        "64 kB": [noise(65_000)],
    }


def flood(port, datagrams, ends_at, sent):
    """Sends them in turn until the end time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        count = 0
        while time.monotonic() < ends_at:
            for datagram in datagrams:
                with contextlib.suppress(OSError):
                    client.send(datagram)
                count += 1
        sent.value = count


class Viewer:
    """`restage watch`, and its statistics of each second."""

    def __init__(self, server, token, publisher):
        self.seconds = []
        self.process = subprocess.Popen(
            [str(binary()), "watch", "--token", token, publisher],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=server.environment(),
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.seconds.append((time.monotonic(), json.loads(line)))

    def sees(self):
        """Whether the last second had pictures."""
        return bool(self.seconds) and pictures(self.seconds[-1][1]) >= PICTURES_MIN

    def between(self, begin, end):
        """(fewest pictures in a second, packets requested again, damaged pictures) between two times."""
        within = [second for at, second in self.seconds if begin + 1 <= at <= end]
        if not within:
            return 0, 0, 0
        again, damaged = (total(within[-1], name) - total(within[0], name) for name in ("nacks", "damaged"))
        return min(map(pictures, within)), again, damaged


def pictures(second):
    """Pictures in a second."""
    return max((track.get("framesPerSecond", 0) for track in second["tracks"] if track["kind"] == "video"), default=0)


def total(second, name):
    """The counters of all tracks so far."""
    return sum(track[name] for track in second["tracks"])


def received(server):
    """Datagrams that the kernel has delivered."""
    with urllib.request.urlopen(server.url + "/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return int(re.search(r"^restage_media_datagrams_received_total (\d+)", text, re.MULTILINE).group(1))


def measure(server, viewers, name, datagrams, seconds):
    """Floods the port, and prints one line."""
    begin, before = time.monotonic(), received(server)
    if datagrams:
        sent = multiprocessing.Value("q", 0)
        ends_at = begin + seconds
        sender = multiprocessing.Process(target=flood, args=(server.media_port, datagrams, ends_at, sent))
        sender.start()
        sender.join()
        count = sent.value
    else:
        # The baseline, without a flood.
        threading.Event().wait(seconds)
        count = 0
    end = time.monotonic()
    seen = [viewer.between(begin, end) for viewer in viewers]
    fewest, again, damaged = min(one[0] for one in seen), sum(one[1] for one in seen), sum(one[2] for one in seen)
    passed = received(server) - before
    print(
        f"{name:26} {count / seconds:>9,.0f} sent/s {passed / seconds:>9,.0f} received/s "
        f"{fewest:>5.1f} pictures/s or more, {again} packets again, {damaged} damaged",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--viewers", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(os.path.join(folder, "data"), name="rig_flood").start()
        stages = Stages(api.client(server))
        stage = stages.create("flood")
        publisher, token = stages.token(stage, capabilities=["PUBLISH"])
        publishing = subprocess.Popen(
            [str(binary()), "publish", "--token", token],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_environment(),
        )
        try:
            eventually(
                lambda: stages.participants(stage).get(publisher, {}).get("published"), FIRST_PICTURES_S, "published"
            )
            viewers = [Viewer(server, stages.token(stage)[1], publisher) for _ in range(given.viewers)]
            eventually(
                lambda: all(viewer.sees() for viewer in viewers),
                FIRST_PICTURES_S,
                "pictures",
            )
            measure(server, viewers, "nothing", None, given.seconds)
            for name, datagrams in kinds(random.Random(SEED)).items():
                measure(server, viewers, name, datagrams, given.seconds)
            for viewer in viewers:
                viewer.process.terminate()
        finally:
            publishing.terminate()
            server.stop()


if __name__ == "__main__":
    main()
