"""Publishes by RTMP over a path that loses packets and brings them in clumps: how steady are the pictures that leave?

    cargo build -p restage-rtmp --example listen
    .venv/bin/python conformance/rigs/clumps.py [--seconds 330] [--loss 0.01] [--clump-ms 100]

FFmpeg publishes 2.5 Mbit/s from another host (a network namespace; needs root and iptables). Of its TCP segments
some are lost, and the kernel sends them again. A relay hands on what has come every `--clump-ms`. The example of
restage-rtmp takes the stream and prints how far apart pictures came and left, once its buffer has settled.
`RESTAGE_LISTEN` names it.
"""

import argparse
import contextlib
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

import imageio_ffmpeg

from support import namespace

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


@contextlib.contextmanager
def losing(interface, share):
    """Of the TCP segments that arrive at an interface so many are lost."""
    rule = ["INPUT", "-i", interface, "-p", "tcp", "-m", "statistic", "--mode", "random", "--probability", str(share)]
    subprocess.run(["iptables", "-I", *rule, "-j", "DROP"], check=True)
    try:
        yield
    finally:
        subprocess.run(["iptables", "-D", *rule, "-j", "DROP"], check=False)


def relay(listener, target, clump_s):
    """Hands the bytes of one connection on, clump by clump, and the answers as they come."""
    here, _ = listener.accept()
    there = socket.create_connection(target)
    there.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    at, is_open = time.monotonic(), True
    while is_open:
        at += clump_s
        while (left := at - time.monotonic()) > 0:
            if there in select.select([there], [], [], left)[0]:
                answer = there.recv(READ_BYTES)
                if not answer:
                    is_open = False
                    break
                here.sendall(answer)
        clump = b""
        while here in select.select([here], [], [], 0)[0]:
            read = here.recv(READ_BYTES)
            if not read:
                is_open = False
                break
            clump += read
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            there.sendall(clump)
    here.close()
    there.close()


def measure(arguments, directory):
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    card = directory / "card.flv"
    subprocess.run([ffmpeg, "-v", "error", *CARD, card], check=True)
    with namespace.other_host() as host, losing(host.near, arguments.loss):
        # What is lost is a segment, not a train of them.
        namespace.ip("-netns", host.name, "link", "set", host.far, "gso_max_segs", "1")
        listen = subprocess.Popen([LISTEN, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        port = int(listen.stdout.readline().rstrip("\n/ap").rpartition(":")[2])
        listener = socket.create_server((host.here, 0))
        target = ("127.0.0.1", port)
        threading.Thread(target=relay, args=(listener, target, arguments.clump_ms / 1_000), daemon=True).start()
        url = f"rtmp://{host.here}:{listener.getsockname()[1]}/app/key"
        publish = ("-v", "error", "-re", "-stream_loop", "-1", "-i", card, "-c", "copy")
        command = [ffmpeg, *publish, "-t", str(arguments.seconds), "-f", "flv", url]
        subprocess.run(["ip", "netns", "exec", host.name, *command], check=False, timeout=arguments.seconds + START_S)
        return listen.communicate(timeout=START_S)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=330)
    parser.add_argument("--loss", type=float, default=0.01)
    parser.add_argument("--clump-ms", type=int, default=100)
    arguments = parser.parse_args()
    missing = namespace.missing() or (None if shutil.which("iptables") else "there is no iptables")
    if missing:
        sys.exit(f"this machine cannot make such a path: {missing}")
    with tempfile.TemporaryDirectory() as directory:
        print(measure(arguments, pathlib.Path(directory)))


if __name__ == "__main__":
    main()
