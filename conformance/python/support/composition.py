"""Compositions: how they are started and looked at, and what RTMP servers receive of them."""

import pathlib
import re
import subprocess

import av
import imageio_ffmpeg

from . import card
from .wait import eventually

STARTED_S = 40
STOPPED_S = 40


class Compositions:
    """Shortcuts for the compositions of a `Place`."""

    def __init__(self, place):
        self.place = place

    @property
    def ivs(self):
        return self.place.ivs

    def encoder(self, **video):
        made = self.ivs.create_encoder_configuration(**({"video": video} if video else {}))
        return made["encoderConfiguration"]["arn"]

    def start(self, stage, *destinations, **arguments):
        made = self.ivs.start_composition(stageArn=stage, destinations=list(destinations), **arguments)
        return made["composition"]

    def get(self, composition):
        return self.ivs.get_composition(arn=composition["arn"])["composition"]

    def states(self, composition):
        """The state of the composition, then those of its destinations."""
        found = self.get(composition)
        return [found["state"], *(one["state"] for one in found["destinations"])]

    def wait(self, composition, *states, timeout_s=STARTED_S):
        """Waits until it and its destinations are in these states."""

        def found():
            now = self.states(composition)
            assert now == list(states), now
            return now

        return eventually(found, timeout_s, f"the composition is {states}")

    def active(self, composition):
        self.wait(composition, "ACTIVE", *["ACTIVE" for _ in composition["destinations"]])

    def stop(self, composition, *states):
        """Stops it and waits for the end: of each destination STOPPED, unless other states are said."""
        self.ivs.stop_composition(arn=composition["arn"])
        states = states or ["STOPPED" for _ in composition["destinations"]]
        self.wait(composition, "STOPPED", *states, timeout_s=STOPPED_S)


def bucket_of(storage, *encoders, **more):
    """A destination of StartComposition."""
    return {"s3": {"storageConfigurationArn": storage, "encoderConfigurationArns": list(encoders)} | more}


def channel_of(arn, *encoders):
    """A destination of StartComposition."""
    chosen = {"encoderConfigurationArn": encoders[0]} if encoders else {}
    return {"channel": {"channelArn": arn} | chosen}


def prefix_of(composition, number=0):
    """Where a destination's recording is."""
    return composition["destinations"][number]["detail"]["s3"]["recordingPrefix"]


def segments_of(names):
    """How many segments are among these names of files of a recording."""
    return sum(re.search(r"media/hls/[^/]+/\d+\.mp4$", name) is not None for name in names)


def local_segments(root):
    """The rendition of a recording in a folder, and its segments so far."""
    [rendition] = [path for path in pathlib.Path(root).glob("media/hls/*") if path.is_dir()] or [None]
    return rendition, len(list(rendition.glob("[0-9]*.mp4"))) if rendition else 0


def cards_of(path, place):
    """(identity, count) of the card in each picture of a recording, or None where there is none.

    `place` is where in the picture the whole card is: left, top, width, height.
    """
    left, top, width, height = place
    cards = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = frame.to_ndarray(format="gray")[top : top + height, left : left + width]
            small = av.VideoFrame.from_ndarray(plane.copy(), format="gray").reformat(card.WIDTH, card.HEIGHT)
            read = card.read(small.to_ndarray())
            # Black reads as zeros.
            cards.append(read if read != (0, 0) else None)
    return cards


def compositors(server):
    """The processes that compose for this server."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == server.process.pid and b"internal-compose" in words:
            found.append(int(path.name))
    return found


class RtmpListener:
    """FFmpeg as an RTMP server: it takes one publisher, and writes what comes into a file."""

    def __init__(self, port, path, application="app/key"):
        self.path = path
        program = (imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-v", "info", "-nostdin", "-y")
        url = f"rtmp://127.0.0.1:{port}/{application}"
        self.process = subprocess.Popen(
            [*program, "-listen", "1", "-i", url, "-c", "copy", "-f", "matroska", "-flush_packets", "1", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def has_media(self, size=50_000):
        return self.path.exists() and self.path.stat().st_size > size

    def kill(self):
        self.process.kill()
        self.process.wait()

    def streams(self):
        """{kind: (codec, size or rate)} of what came."""
        with av.open(str(self.path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            return {
                "video": (video.codec_context.name, (video.width, video.height)),
                "audio": (audio.codec_context.name, audio.rate),
            }
