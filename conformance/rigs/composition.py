"""Measures compositions: how late their pictures are, and whether sound, pictures and memory stay where they are.

    .venv/bin/python conformance/rigs/composition.py latency [--seconds 30]
    .venv/bin/python conformance/rigs/composition.py hour [--minutes 60] [--stand-still]

Each starts a server of its own on loopback; `RESTAGE_BINARY` names the binary. Progress is on standard error;
`--output json` is for programs. A busy machine makes the figures worse, so each run says the load.

`latency`: FFmpeg encodes pictures that carry a number, 2.5 Mbit/s, and publishes them by WHIP. A composition of this
participant, 720p at 30 pictures a second, goes by RTMP to this program, which decodes it; aiortc watches the
participant itself in the same run. A picture's latency is the time from the moment at which FFmpeg is given it to the
moment at which it is decoded. `added` is what the composition takes more than a viewer: with its encoder, AAC, RTMP and
the decoder here, less the 33 ms for which aiortc waits for the next picture.

`hour`: a participant shows a white flash with a beep each second, three others move. The composition is recorded; the
offset of the beep from the flash is measured through the recording, and so is the memory of the process that composes
and of the server. With `--stand-still` the publisher of the flashes is stopped for a moment each half minute; FFmpeg
makes up for that by a twentieth of the time that passes.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

import av
import imageio_ffmpeg
import numpy

from support import api, card, timed
from support.composition import Compositions, bucket_of, channel_of, prefix_of
from support.place import Place
from support.ports import free_port
from support.seen import Seen
from support.wait import eventually

SETTLE_S = 10
PROGRESS_S = 30
STANDS_STILL_S = 1.5
FIRST_PICTURE_S = 30
# aiortc decodes a picture when the next one begins to arrive.
AIORTC_WAITS_S = 1 / timed.RATE
FLASH_RATE = 30
# A second of sound is read at a time.
BLOCK_S = 0.005
MOVING = ("testsrc2=size=320x180:rate=30", "smptebars=size=320x180:rate=30", "mandelbrot=size=320x180:rate=30")
H264 = (
    *("-c:v", "libx264", "-profile:v", "baseline", "-preset", "veryfast", "-tune", "zerolatency"),
    *("-pix_fmt", "yuv420p", "-g", "30", "-b:v", "400k", "-c:a", "libopus", "-ac", "2", "-ar", "48000"),
)


def say(text):
    print(text, file=sys.stderr, flush=True)


def milliseconds(seconds):
    return round(seconds * 1_000, 1)


def ffmpeg(*arguments):
    program = (imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin")
    return subprocess.Popen([*program, *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


class Listening:
    """An RTMP server in a thread: decodes what comes, and keeps when it had each card."""

    def __init__(self, port):
        self.pictures, self.failed = [], None
        self._url = f"rtmp://127.0.0.1:{port}/app/key"
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        known = {"listen": "1", "fflags": "nobuffer", "flags": "low_delay", "probesize": "5000", "analyzeduration": "0"}
        try:
            with av.open(self._url, options=known, format="flv") as container:
                container.streams.video[0].thread_type = "NONE"
                for frame in container.decode(video=0):
                    at = time.monotonic()
                    # The card was drawn for half this size.
                    plane = frame.to_ndarray(format="gray")[::2, ::2]
                    self.pictures.append((at, card.read(plane)))
        except Exception as error:
            self.failed = str(error)


def late(pictures, fed_at):
    """How late each picture was when it was shown first."""
    first = {}
    for at, read in pictures:
        if read is not None:
            first.setdefault(read[1], at)
    return [at - fed_at[count] for count, at in first.items() if count in fed_at]


def latency(arguments):
    port = free_port(socket.SOCK_STREAM)
    with tempfile.TemporaryDirectory() as directory:
        place, stage, settings = begin(pathlib.Path(directory), port)
        listening = Listening(port)
        compositions = Compositions(place)
        participant, token = place.stages.token(stage)
        target = ("-c:a", "libopus", "-f", "whip", "-authorization", token, f"{place.server.url}/whip")
        video = [one for one in timed.ENCODING if one not in ("aac",)]
        video.remove("-c:a")
        encoder = timed.TimedEncoder(target, options=video)
        try:
            eventually(
                lambda: encoder.failed() or place.stages.participants(stage).get(participant, {}).get("published"),
                FIRST_PICTURE_S,
                "FFmpeg publishes",
            )
            chosen = compositions.encoder(width=1280, height=720, framerate=30.0, bitrate=2_500_000)
            composition = compositions.start(stage, channel_of(settings, chosen))
            compositions.active(composition)
            viewer = Seen(f"{place.server.url}/whep/{participant}", place.stages.token(stage)[1])
            eventually(lambda: viewer.pictures and listening.pictures, FIRST_PICTURE_S, "both see pictures")
            time.sleep(SETTLE_S)
            begun = time.monotonic()
            time.sleep(arguments.seconds)
            composed = [one for one in list(listening.pictures) if one[0] > begun]
            direct = [(one["at"], one["card"]) for one in list(viewer.pictures) if one["at"] > begun]
            viewer.stop()
        finally:
            encoder.stop()
            place.server.stop()
    by_rtmp, by_whep = late(composed, encoder.fed_at), late(direct, encoder.fed_at)
    if len(by_rtmp) < 2 or len(by_whep) < 2:
        raise RuntimeError(f"{len(by_rtmp)} and {len(by_whep)} pictures were seen: {listening.failed}")
    middle = statistics.median(by_rtmp), statistics.median(by_whep)
    ordered = sorted(by_rtmp)
    return {
        "what": "latency",
        "added_ms": milliseconds(middle[0] - middle[1] + AIORTC_WAITS_S),
        "composed_p50_ms": milliseconds(middle[0]),
        "composed_p99_ms": milliseconds(ordered[len(ordered) * 99 // 100]),
        "direct_p50_ms": milliseconds(middle[1]),
        "pictures": len(by_rtmp),
        "pictures_composed": len(composed),
        "unreadable": sum(read is None for _, read in composed),
        "pictures_direct": len(by_whep),
        "load": round(os.getloadavg()[0], 1),
    }


def begin(directory, port):
    """A server with a channel that goes to this program, a stage, and the channel's ARN."""
    channel = f"arn:aws:ivs:{api.REGION}:000000000000:channel/rig"
    path = directory / "channels.toml"
    path.write_text(
        f'[[channel]]\narn = "{channel}"\nurl = "rtmp://127.0.0.1:{port}/app"\nstream-key = "key"\n', encoding="utf-8"
    )
    path.chmod(0o600)
    place = Place(directory, "--config", str(path), name="rig_composition").start()
    return place, place.ivs.create_stage()["stage"]["arn"], channel


def flashes(path):
    """A film of a minute: each second a flash of three pictures and a beep of 100 ms, both at its beginning."""
    picture = "color=black:size=320x180:rate=30,geq=lum='if(lt(mod(N,30),3),235,16)':cb=128:cr=128"
    sound = "aevalsrc='if(lt(mod(t,1),0.1),0.7*sin(2*PI*1000*t),0)':s=48000"
    made = ffmpeg("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-t", "60", *H264, "-y", str(path))
    if made.wait() != 0:
        raise RuntimeError(made.stderr.read())
    return path


def moving(path, source):
    made = ffmpeg("-f", "lavfi", "-i", source, "-f", "lavfi", "-i", "anullsrc", "-t", "20", *H264, "-y", str(path))
    if made.wait() != 0:
        raise RuntimeError(made.stderr.read())
    return path


def onsets(times, levels, limit, pause_s=0.5):
    """When a level goes over a limit."""
    found, above = [], False
    for at, level in zip(times, levels, strict=True):
        if level > limit and not above and (not found or at - found[-1] > pause_s):
            found.append(at)
        above = level > limit
    return found


def offsets(path):
    """(when, by how much the beep is behind the flash), each second of a recording."""
    shown, bright, heard, loud = [], [], [], []
    with av.open(str(path)) as container:
        for frame in container.decode(*container.streams.video, *container.streams.audio):
            if isinstance(frame, av.VideoFrame):
                plane = frame.to_ndarray(format="gray")
                # The tile of the first participant.
                shown.append(frame.time)
                bright.append(float(plane[80:160, 80:240].mean()))
            else:
                samples = numpy.abs(frame.to_ndarray()[0].astype(float))
                count = max(1, int(frame.rate * BLOCK_S))
                for place in range(0, len(samples), count):
                    heard.append(frame.time + place / frame.rate)
                    loud.append(float(samples[place : place + count].max()))
    beeps = onsets(heard, loud, max(loud) / 4)
    found = []
    for flash in onsets(shown, bright, 128):
        near = min(beeps, key=lambda beep: abs(beep - flash), default=None)
        if near is not None and abs(near - flash) < 0.4:
            found.append((flash, near - flash))
    return found


def memory_of(pid):
    """Kilobytes of a process."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def child_of(pid):
    """The process that composes."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"internal-compose" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                return int(child)
    raise RuntimeError("no process composes")


@contextlib.contextmanager
def publishing(place, stage, films):
    """FFmpeg sends films again and again, without encoding them again."""
    started = []
    try:
        for film in films:
            participant, token = place.stages.token(stage)
            target = ("-f", "whip", "-authorization", token, f"{place.server.url}/whip")
            started.append(ffmpeg("-re", "-stream_loop", "-1", "-i", str(film), "-c", "copy", *target))
            eventually(
                lambda participant=participant: place.stages.participants(stage).get(participant, {}).get("published"),
                FIRST_PICTURE_S,
                "FFmpeg publishes",
            )
        yield started
    finally:
        for one in started:
            one.kill()
            one.wait()


def hour(arguments):
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        films = [flashes(directory / "flash.mkv")]
        films += [moving(directory / f"{number}.mkv", source) for number, source in enumerate(MOVING)]
        place = Place(directory, name="rig_composition_hour").start()
        compositions = Compositions(place)
        try:
            stage = place.ivs.create_stage()["stage"]["arn"]
            with publishing(place, stage, films) as publishers:
                encoder = compositions.encoder(width=640, height=360, framerate=30.0, bitrate=1_000_000)
                composition = compositions.start(stage, bucket_of(place.storage(), encoder))
                compositions.active(composition)
                server, child = place.server.process.pid, child_of(place.server.process.pid)
                memory = watch(arguments.minutes * 60, publishers, server, child, arguments.stand_still)
                compositions.stop(composition)
            root = place.bucket.directory / prefix_of(composition)
            found = offsets(root / "media/hls/multivariant.m3u8")
            [playlist] = root.glob("media/hls/*/playlist.m3u8")
            breaks = playlist.read_text(encoding="utf-8").count("#EXT-X-DISCONTINUITY\n")
        finally:
            place.server.stop()
    tenth = max(1, len(found) // 10)
    parts = [
        statistics.mean(offset for _, offset in found[place : place + tenth]) for place in range(0, len(found), tenth)
    ]
    warm = memory[min(2, len(memory) - 1) :]
    return {
        "what": "hour",
        "minutes": arguments.minutes,
        "flashes_with_beep": len(found),
        "offset_ms_by_tenth": [milliseconds(part) for part in parts],
        "offset_ms_min_max": [milliseconds(min(one[1] for one in found)), milliseconds(max(one[1] for one in found))],
        "discontinuities": breaks,
        "compositor_kb_first_last_max": [warm[0][0], warm[-1][0], max(one[0] for one in warm)],
        "server_kb_first_last_max": [warm[0][1], warm[-1][1], max(one[1] for one in warm)],
        "load": round(os.getloadavg()[0], 1),
    }


def stand_still(publisher):
    """Stops a publisher for a moment, as a machine does that is too busy."""
    publisher.send_signal(signal.SIGSTOP)
    time.sleep(STANDS_STILL_S)
    publisher.send_signal(signal.SIGCONT)


def watch(seconds, publishers, server, child, stands_still):
    """The memory of both processes, each half minute. The publisher of flashes stands still then, if that is wanted."""
    memory, ends_at = [], time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0:
        for one in publishers:
            if one.poll() is not None:
                raise RuntimeError(f"a publisher ended: {one.stderr.read()}")
        memory.append((memory_of(child), memory_of(server)))
        say(f"hour: {left / 60:.0f} minutes left, compositor {memory[-1][0]} kB, server {memory[-1][1]} kB")
        if stands_still and len(memory) > 1:
            stand_still(publishers[0])
        time.sleep(min(PROGRESS_S, left))
    return memory


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("latency", help="how late composed pictures are")
    one.add_argument("--seconds", type=float, default=30)
    one.set_defaults(run=latency)
    one = commands.add_parser("hour", help="whether sound, pictures and memory stay where they are")
    one.add_argument("--minutes", type=float, default=60)
    one.add_argument(
        "--stand-still", action="store_true", help="stop the publisher of flashes for 1.5 s each half minute"
    )
    one.set_defaults(run=hour)
    arguments = parser.parse_args()
    found = arguments.run(arguments)
    if arguments.output == "json":
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:32} {value}")


if __name__ == "__main__":
    main()
