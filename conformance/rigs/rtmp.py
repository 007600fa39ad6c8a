"""Measures RTMP ingest: how late pictures are, what a stream costs, how long a failover takes.

    .venv/bin/python conformance/rigs/rtmp.py latency [--seconds 60] [--options '-max_interleave_delta 1']
    .venv/bin/python conformance/rigs/rtmp.py cost [--seconds 30]
    .venv/bin/python conformance/rigs/rtmp.py failover [--rounds 10] [--how kill|stall]

Each starts a server of its own on loopback; `RESTAGE_BINARY` names the binary. Progress is on standard error;
`--output json` is for programs. A busy machine makes the figures worse, so each run says the load.

`latency`: FFmpeg encodes pictures that carry a number, 2.5 Mbit/s with AAC; aiortc decodes them. A picture's latency is
the time from the moment at which FFmpeg is given it to the moment at which the viewer has decoded it. aiortc decodes a
picture when the next one begins to arrive, which adds 33 ms. The part of FFmpeg is measured before, without a server;
that of the server's release buffer, at least 100 ms, comes from its metrics.

`cost`: processor time of the server for one stream of 2.5 Mbit/s with AAC that was encoded before, without viewers,
less what the idle server takes.

`failover`: two encoders show the same pictures; the one that is shown is killed, or stopped without a word (`stall`).
The gap is the longest time between two pictures at the viewer. The server goes on at the newest key frame of the other
stream, so pictures since then are shown again, quickly: `late_*` is how late pictures were before, right after and two
seconds after. Then the encoder comes back, and the other one is next.
"""

import argparse
import contextlib
import itertools
import json
import os
import pathlib
import random
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

import imageio_ffmpeg

from support import rtmp_server, timed
from support.rtmp_server import RtmpServer
from support.seen import Seen
from support.wait import eventually

# The release buffer and the viewer have settled after this time.
SETTLE_S = 10
# FFmpeg alone is measured for so long.
ALONE_S = 8
PROGRESS_S = 5
FIRST_PICTURE_S = 30
# A failover is over after this time.
FAILOVER_S = 10
STEADY_PICTURES = 30
FLV_HEADER_BYTES, FLV_TAG_BYTES, FLV_TRAILER_BYTES = 13, 11, 4
FLV_VIDEO = 9
# Two encoders at once, on a machine that also runs the server and the viewer.
LIGHT = ("-preset", "ultrafast", "-b:v", "1000k", "-maxrate", "1000k", "-bufsize", "1000k")


def say(text):
    print(text, file=sys.stderr, flush=True)


def milliseconds(seconds):
    return round(seconds * 1_000, 1)


def spread(values):
    """Median, 99th percentile and maximum of seconds, in milliseconds."""
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return {
        "p50_ms": milliseconds(statistics.median(ordered)),
        "p99_ms": milliseconds(p99),
        "max_ms": milliseconds(ordered[-1]),
    }


def steps(values):
    """The differences between successive values."""
    return [after - before for before, after in itertools.pairwise(values)]


def flv(url):
    return ["-f", "flv", "-flvflags", "no_duration_filesize", url]


def encoder_alone(options):
    """How long FFmpeg itself takes from a picture to the end of its FLV tag."""
    encoder = timed.TimedEncoder(flv("-"), options=options)
    out, first, taken = encoder.process.stdout, None, []
    out.read(FLV_HEADER_BYTES)
    ends_at = time.monotonic() + ALONE_S
    while time.monotonic() < ends_at:
        head = out.read(FLV_TAG_BYTES)
        if len(head) < FLV_TAG_BYTES:
            raise RuntimeError(f"FFmpeg ended: {encoder.failed()}")
        body = out.read(int.from_bytes(head[1:4], "big") + FLV_TRAILER_BYTES)
        now = time.monotonic()
        # The second byte of AVC is 0 for its configuration and 1 for a picture.
        if head[0] != FLV_VIDEO or body[1] != 1:
            continue
        if first is None:
            first = min(encoder.fed_at)
        count = first + round((int.from_bytes(head[4:7], "big") | head[7] << 24) * timed.RATE / 1_000)
        if count in encoder.fed_at:
            taken.append(now - encoder.fed_at[count])
    encoder.stop()
    return spread(taken)


@contextlib.contextmanager
def serving(name, **options):
    with tempfile.TemporaryDirectory() as directory:
        started = RtmpServer(directory, name=name, **options)
        try:
            yield started
        finally:
            started.stop()


@contextlib.contextmanager
def watching(made):
    """A viewer that sees pictures."""
    viewer = Seen(*made.whep())
    try:
        eventually(lambda: viewer.pictures or viewer.why_not(), FIRST_PICTURE_S, "the viewer sees pictures")
        if viewer.why_not():
            raise RuntimeError(f"the viewer: {viewer.why_not()}")
        yield viewer
    finally:
        viewer.stop()


def wait(seconds, check, progress):
    """Waits, says how it goes, and ends with an error when `check` gives a reason."""
    ends_at, due = time.monotonic() + seconds, time.monotonic() + PROGRESS_S
    while (now := time.monotonic()) < ends_at:
        reason = check()
        if reason:
            raise RuntimeError(reason)
        if now >= due:
            say(progress())
            due += PROGRESS_S
        time.sleep(min(0.1, max(0.0, ends_at - now)))


def latency(arguments):
    options = [*timed.ENCODING, *shlex.split(arguments.options)]
    alone = encoder_alone(options)
    say(f"latency: FFmpeg alone: {alone}")
    with serving("rig_rtmp_latency") as made:
        encoder = timed.TimedEncoder(flv(made.urls[0]), options=options)
        try:
            made.wait_for_publisher(encoder.failed)
            with watching(made) as viewer:
                fails = lambda: encoder.failed() or viewer.why_not()  # noqa: E731
                seen = lambda: f"latency: {len(viewer.pictures)} pictures"  # noqa: E731
                wait(SETTLE_S, fails, seen)
                begin, delays = len(viewer.pictures), made.release_delay()
                wait(arguments.seconds, fails, seen)
                pictures = viewer.pictures[begin:]
                delay_s, looks = (after - before for before, after in zip(delays, made.release_delay(), strict=True))
                late_s, sounds, skipped = viewer.late_s, viewer.sounds, viewer.skipped
        finally:
            encoder.stop()
    read = [picture for picture in pictures if picture["card"] is not None]
    taken = [one["at"] - encoder.fed_at[one["card"][1]] for one in read if one["card"][1] in encoder.fed_at]
    if len(taken) < 2:
        raise RuntimeError(f"the viewer saw {len(taken)} pictures")
    counts = [picture["card"][1] for picture in read]
    return {
        "what": "latency",
        **spread(taken),
        "encoder_alone": alone,
        "release_delay_mean_ms": milliseconds(delay_s / max(1.0, looks)),
        "pictures": len(taken),
        "damaged": len(pictures) - len(read),
        "missing": counts[-1] - counts[0] + 1 - len(set(counts)),
        "skipped_by_decoder": skipped,
        "blocks_of_sound": sounds,
        "viewer_late_max_ms": milliseconds(late_s),
        "load": round(os.getloadavg()[0], 1),
    }


def encode_card(path, seconds=20):
    """A film of 2.5 Mbit/s with AAC, in whole groups of pictures."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30"]
    command += ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", str(seconds)]
    # Grain, without which a test card does not fill its bitrate.
    command += ["-vf", "noise=alls=12:allf=t", "-pix_fmt", "yuv420p", *timed.ENCODING, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.stat().st_size * 8 / seconds / 1_000


def spent(pid, seconds, what):
    """Processor time of a process over some seconds: in total, and by the names of its threads."""
    before, threads = rtmp_server.processor_total(pid), rtmp_server.processor_seconds(pid)
    began_at = time.monotonic()
    wait(seconds, lambda: None, lambda: f"cost: {what}: {time.monotonic() - began_at:.0f} s of {seconds:g}")
    elapsed = time.monotonic() - began_at
    after = rtmp_server.processor_seconds(pid)
    shares = {name: (value - threads.get(name, 0.0)) / elapsed for name, value in after.items()}
    return (rtmp_server.processor_total(pid) - before) / elapsed, shares


def cost(arguments):
    with tempfile.TemporaryDirectory() as directory, serving("rig_rtmp_cost") as made:
        film = pathlib.Path(directory) / "film.flv"
        kbit_per_s = encode_card(film)
        pid = made.server.process.pid
        wait(SETTLE_S, lambda: None, lambda: "cost: the server comes to rest")
        idle, _ = spent(pid, arguments.seconds, "idle")
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-re", "-stream_loop", "-1"]
        command += ["-i", str(film), "-c", "copy", *flv(made.urls[0])]
        encoder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            ended = lambda: encoder.poll() is not None and (encoder.stderr.read() or "it ended")  # noqa: E731
            made.wait_for_publisher(ended)
            wait(SETTLE_S, ended, lambda: "cost: the stream settles")
            busy, threads = spent(pid, arguments.seconds, "one stream")
            if ended():
                raise RuntimeError(f"the encoder ended: {ended()}")
        finally:
            encoder.kill()
            encoder.wait()
    return {
        "what": "cost",
        "percent_of_a_core": round((busy - idle) * 100, 2),
        "idle_percent": round(idle * 100, 2),
        "threads_percent": {name: round(share * 100, 2) for name, share in threads.items() if share > 0},
        "kbit_per_s": round(kbit_per_s),
        "seconds": arguments.seconds,
        "binary": "release" if "release" in os.environ.get("RESTAGE_BINARY", "") else "debug",
        "load": round(os.getloadavg()[0], 1),
    }


class Redundant:
    """Two encoders that show the same pictures, each with an identity of its own on the card: 1 and 2."""

    def __init__(self, made):
        self.made = made
        self.epoch = time.monotonic()
        self.encoders = {identity: self._start(identity) for identity in (1, 2)}

    def _start(self, identity):
        url = self.made.urls[identity - 1]
        return timed.TimedEncoder(flv(url), identity, self.epoch, options=[*timed.ENCODING, *LIGHT])

    def wait_for(self, identity):
        """Waits until the stream of one is published."""
        participant = self.made.made["redundantIngestCredentials"][identity - 1]["participantId"]

        def is_published():
            reason = self.encoders[identity].failed()
            if reason:
                raise RuntimeError(f"encoder {identity} ended: {reason}\n{self.made.server.tail(10)}")
            return self.made.stages.participants(self.made.stage).get(participant, {}).get("published")

        eventually(is_published, rtmp_server.PUBLISHED_S, f"encoder {identity} publishes")

    def late_ms(self, pictures):
        """How late pictures were at the viewer, in the median."""
        late = [
            picture["at"] - self.encoders[picture["card"][0]].fed_at[picture["card"][1]]
            for picture in pictures
            if picture["card"] and picture["card"][1] in self.encoders[picture["card"][0]].fed_at
        ]
        return milliseconds(statistics.median(late)) if late else None

    def end(self, identity, how):
        """Ends one as `how` says; returns when."""
        self.encoders[identity].process.send_signal(signal.SIGKILL if how == "kill" else signal.SIGSTOP)
        return time.monotonic()

    def again(self, identity):
        """Starts one that has ended."""
        self.encoders[identity].stop()
        self.encoders[identity] = self._start(identity)
        self.wait_for(identity)

    def stop(self):
        for encoder in self.encoders.values():
            encoder.stop()


def round_of(redundant, viewer, how, pause_s):
    """Ends the encoder that is shown; returns what the viewer saw of it."""
    # The random moment of the failure, no wait for anything.
    time.sleep(pause_s)
    shown = next(picture["card"][0] for picture in reversed(viewer.pictures) if picture["card"])
    begin = max(0, len(viewer.pictures) - STEADY_PICTURES)
    ended_at = redundant.end(shown, how)
    others = lambda: [one for one in viewer.pictures[begin:] if one["card"] and one["card"][0] != shown]  # noqa: E731
    eventually(lambda: len(others()) >= 2 * STEADY_PICTURES or viewer.why_not(), FAILOVER_S, "the other one is shown")
    if viewer.why_not():
        raise RuntimeError(f"the viewer: {viewer.why_not()}")
    pictures = viewer.pictures[begin:]
    timestamps = steps([picture["rtp"] for picture in pictures])
    jumps = steps([picture["card"][1] for picture in pictures if picture["card"]])
    return {
        "shown": shown,
        "gap_ms": milliseconds(max(steps([picture["at"] for picture in pictures]))),
        "after_ms": milliseconds(others()[0]["at"] - ended_at),
        "pictures_left_out": max(0, max(jumps) - 1),
        "pictures_shown_again": max(0, 1 - min(jumps)),
        "late_before_ms": redundant.late_ms(viewer.pictures[begin : begin + STEADY_PICTURES]),
        "late_after_ms": redundant.late_ms(others()[:STEADY_PICTURES]),
        "late_later_ms": redundant.late_ms(others()[-STEADY_PICTURES // 2 :]),
        "rtp_goes_back": min(timestamps) <= 0,
        "rtp_step_max_ms": milliseconds(max(timestamps) / 90_000),
        "damaged": sum(picture["card"] is None for picture in pictures),
    }


def failover(arguments):
    chance = random.Random(arguments.seed)
    rounds = []
    with serving("rig_rtmp_failover", is_redundant=True) as made:
        redundant = Redundant(made)
        try:
            for identity in (1, 2):
                redundant.wait_for(identity)
            made.wait_for_publisher()
            with watching(made) as viewer:
                for number in range(1, arguments.rounds + 1):
                    wait(SETTLE_S, viewer.why_not, lambda: f"failover: {len(viewer.pictures)} pictures")
                    # At any place between two key frames.
                    one = round_of(redundant, viewer, arguments.how, chance.random())
                    rounds.append(one)
                    say(f"failover: round {number} of {arguments.rounds}: {one}")
                    redundant.again(one["shown"])
                skipped, late_s = viewer.skipped, viewer.late_s
        finally:
            redundant.stop()
    gaps = [one["gap_ms"] for one in rounds]
    return {
        "what": "failover",
        "how": arguments.how,
        "gap_p50_ms": round(statistics.median(gaps), 1),
        "gap_max_ms": max(gaps),
        "rounds": rounds,
        "skipped_by_decoder": skipped,
        "viewer_late_max_ms": milliseconds(late_s),
        "load": round(os.getloadavg()[0], 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["latency", "cost", "failover"])
    parser.add_argument("--seconds", type=float, help="how long to measure: 60 for latency, 30 for cost")
    parser.add_argument("--options", default="", help="further options of FFmpeg's encoder, for latency")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--how", choices=["kill", "stall"], default="kill", help="how an encoder ends, for failover")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    arguments.seconds = arguments.seconds or {"latency": 60, "cost": 30, "failover": 0}[arguments.what]
    figure = {"latency": latency, "cost": cost, "failover": failover}[arguments.what](arguments)
    if arguments.output == "json":
        print(json.dumps(figure, indent=2))
        return
    print("  ".join(f"{name} {value}" for name, value in figure.items() if name != "rounds"))


if __name__ == "__main__":
    main()
