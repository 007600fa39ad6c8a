"""Publishes by RTMP over a path that loses packets and brings them in clumps: how steady are the pictures that leave?

    .venv/bin/python conformance/rigs/clumps.py [server|buffer] [--seconds 330] [--loss 0.01] [--clump-ms 100]

FFmpeg publishes 2.5 Mbit/s from another host (a network namespace; needs root and iptables). Of its TCP segments
some are lost, and the kernel sends them again. A relay hands on what has come every `--clump-ms`.

`server`: a server takes the stream, and aiortc watches it. It counts how far apart pictures are when they leave the
server, by the clock of the kernel, and when the viewer has decoded them, once the server's buffer has settled.
`RESTAGE_BINARY` names the server. Relay and viewer say by how much they were late at most because others had the
processor; the viewer's gaps contain that.

`buffer`: the example of restage-rtmp takes the stream and prints how far apart pictures came and left. `RESTAGE_LISTEN`
names it.
"""

import argparse
import contextlib
import itertools
import json
import os
import pathlib
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

import imageio_ffmpeg

from support import namespace
from support.departures import Departures
from support.rtmp_server import RtmpServer
from support.seen import Seen
from support.wait import eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTEN = os.environ.get("RESTAGE_LISTEN", ROOT / "target/debug/examples/listen")
# A test card of 40 s, which is repeated: encoding it beside the measurement would disturb it.
CARD = (
    *("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30", "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "40"),
    *(
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-tune",
        "zerolatency",
        "-profile:v",
        "baseline",
        "-pix_fmt",
        "yuv420p",
    ),
    *("-g", "60", "-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k", "-c:a", "aac", "-b:a", "128k", "-ac", "2"),
)
READ_BYTES = 1 << 20
START_S = 20
# The server's buffer has settled after this time.
SETTLE_S = 30
PROGRESS_S = 20
# The most that two pictures may be apart.
GAP_MAX_MS = 250
FIRST_PICTURE_S = 30
STEP_S = 0.25


@contextlib.contextmanager
def losing(interface, share):
    """Of the TCP segments that arrive at an interface so many are lost."""
    rule = ["INPUT", "-i", interface, "-p", "tcp", "-m", "statistic", "--mode", "random", "--probability", str(share)]
    subprocess.run(["iptables", "-I", *rule, "-j", "DROP"], check=True)
    try:
        yield
    finally:
        subprocess.run(["iptables", "-D", *rule, "-j", "DROP"], check=False)


class Relay:
    """Hands the bytes of one connection on, clump by clump, and the answers as they come."""

    def __init__(self, host, target, clump_s):
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        self.target, self.clump_s = target, clump_s
        # By how much a clump was handed on late at most.
        self.late_s = 0.0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        here, _ = self._listener.accept()
        there = socket.create_connection(self.target)
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with here, there:
            at = time.monotonic()
            while self._answers(here, there, at + self.clump_s):
                at += self.clump_s
                self.late_s = max(self.late_s, time.monotonic() - at)
                if not self._clump(here, there):
                    return

    def _answers(self, here, there, until):
        """Hands answers on until a moment. `False`: the server has closed."""
        while (left := until - time.monotonic()) > 0:
            if there in select.select([there], [], [], left)[0]:
                answer = there.recv(READ_BYTES)
                if not answer:
                    return False
                here.sendall(answer)
        return True

    def _clump(self, here, there):
        """Hands on what has come. `False`: the encoder has closed."""
        clump, is_open = b"", True
        while is_open and here in select.select([here], [], [], 0)[0]:
            read = here.recv(READ_BYTES)
            is_open = bool(read)
            clump += read
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            there.sendall(clump)
        return is_open


def say(text):
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def publishing(arguments, directory, target, key):
    """FFmpeg publishes to an address over the path; gives its process and the relay."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    card = directory / "card.flv"
    subprocess.run([ffmpeg, "-v", "error", *CARD, card], check=True)
    with namespace.other_host() as host, losing(host.near, arguments.loss):
        # What is lost is a segment, not a train of them.
        namespace.ip("-netns", host.name, "link", "set", host.far, "gso_max_segs", "1")
        relay = Relay(host.here, target, arguments.clump_ms / 1_000)
        publish = ("-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", card, "-c", "copy")
        url = f"rtmp://{host.here}:{relay.port}/app/{key}"
        command = [ffmpeg, *publish, "-t", str(arguments.seconds), "-f", "flv", url]
        encoder = subprocess.Popen(["ip", "netns", "exec", host.name, *command])
        try:
            yield encoder, relay
        finally:
            encoder.kill()
            encoder.wait()


def through_buffer(arguments, directory):
    """What the example of restage-rtmp prints."""
    listen = subprocess.Popen([LISTEN, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    port = int(listen.stdout.readline().rstrip("\n/ap").rpartition(":")[2])
    with publishing(arguments, directory, ("127.0.0.1", port), "key") as (encoder, _):
        encoder.wait(arguments.seconds + START_S)
        return {"what": "buffer", "output": listen.communicate(timeout=START_S)[0]}


def through_server(arguments, directory):
    """How far apart the pictures are that a viewer decodes."""
    made = RtmpServer(directory, name="rig_clumps")
    try:
        with publishing(arguments, directory, ("127.0.0.1", made.port), made.keys[0]) as (encoder, relay):
            made.wait_for_publisher(lambda: encoder.poll() is not None and "see above")
            departures = Departures(made.server.media_port)
            viewer = Seen(*made.whep())
            try:
                seen = seen_by(viewer, encoder)
            finally:
                viewer.stop()
                left = departures.stop()
    finally:
        made.stop()
    return {
        "what": "server",
        "left": spread(left),
        "decoded": spread(seen),
        "skipped_by_decoder": viewer.skipped,
        "relay_late_max_ms": round(relay.late_s * 1_000, 1),
        "viewer_late_max_ms": round(viewer.late_s * 1_000, 1),
        "load": round(os.getloadavg()[0], 1),
    }


def spread(times):
    """How far apart pictures are at these times, from when the buffer has settled."""
    times = [at for at in times if at >= times[0] + SETTLE_S]
    gaps = sorted(after - before for before, after in itertools.pairwise(times))
    if not gaps:
        raise RuntimeError(f"there were no pictures after {SETTLE_S} s")
    return {
        "pictures": len(times),
        "seconds": round(sum(gaps), 1),
        "gap_p50_ms": round(statistics.median(gaps) * 1_000, 1),
        "gap_p99_ms": round(gaps[len(gaps) * 99 // 100] * 1_000, 1),
        "gap_max_ms": round(gaps[-1] * 1_000, 1),
        f"gaps_over_{GAP_MAX_MS}_ms": sum(gap * 1_000 > GAP_MAX_MS for gap in gaps),
    }


def seen_by(viewer, encoder):
    """When a viewer has decoded pictures, until the encoder ends."""
    eventually(lambda: viewer.pictures or viewer.why_not(), FIRST_PICTURE_S, "the viewer sees pictures")
    due = time.monotonic()
    while encoder.poll() is None:
        if viewer.why_not():
            raise RuntimeError(f"the viewer: {viewer.why_not()}")
        if time.monotonic() >= due:
            say(f"clumps: {len(viewer.pictures)} pictures")
            due += PROGRESS_S
        time.sleep(STEP_S)
        last = len(viewer.pictures)
    return [picture["at"] for picture in viewer.pictures[:last]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["server", "buffer"], default="server")
    parser.add_argument("--seconds", type=int, default=330)
    parser.add_argument("--loss", type=float, default=0.01)
    parser.add_argument("--clump-ms", type=int, default=100)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    missing = namespace.missing() or (None if shutil.which("iptables") else "there is no iptables")
    if missing:
        sys.exit(f"this machine cannot make such a path: {missing}")
    with tempfile.TemporaryDirectory() as directory:
        measure = through_server if arguments.what == "server" else through_buffer
        figure = measure(arguments, pathlib.Path(directory))
    if arguments.output == "json":
        print(json.dumps(figure, indent=2))
        return
    print("  ".join(f"{name} {value}" for name, value in figure.items()))


if __name__ == "__main__":
    main()
