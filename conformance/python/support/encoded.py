"""H.264 that is encoded in advance, so that a test controls the contents of each packet."""

import asyncio
import base64
import fractions
import re
import time

import aiortc
import av

from . import card
from .media import Publisher

SLICE_IDR, SEQUENCE, PICTURE = 5, 7, 8
START = b"\0\0\0\1"
FORMAT = re.compile(r"a=fmtp:(\d+) ([^\r\n]*profile-level-id[^\r\n]*)")


def units_of(data):
    """The NAL units of a byte stream."""
    return [unit.rstrip(b"\0") for unit in re.split(b"\0\0\1", data) if unit.rstrip(b"\0")]


def kind(unit):
    """The type of a NAL unit."""
    return unit[0] & 0x1F


def is_set(unit):
    """Whether it is a parameter set."""
    return kind(unit) in (SEQUENCE, PICTURE)


def encode(identity, pictures, first=0, profile="baseline", size=None):
    """Pictures of the card as lists of NAL units; every second a key frame with parameter sets."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = size or (card.WIDTH, card.HEIGHT)
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = fractions.Fraction(1, card.FRAMES_PER_SECOND)
    encoder.framerate = card.FRAMES_PER_SECOND
    encoder.bit_rate = 500_000
    gop = f"keyint={card.FRAMES_PER_SECOND}:min-keyint={card.FRAMES_PER_SECOND}:scenecut=0:bframes=0"
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "profile": profile,
        "x264-params": f"{gop}:repeat-headers=1:sliced-threads=0:threads=1",
    }
    made = []
    for count in range(first, first + pictures):
        frame = av.VideoFrame(card.WIDTH, card.HEIGHT, "yuv420p")
        frame.planes[0].update(card.draw(identity, count).tobytes())
        for plane in frame.planes[1:]:
            plane.update(bytes([128]) * plane.buffer_size)
        if size:
            frame = frame.reformat(*size)
        frame.pts = count
        made += [units_of(bytes(packet)) for packet in encoder.encode(frame)]
    return made + [units_of(bytes(packet)) for packet in encoder.encode(None)]


class EncodedVideo(aiortc.MediaStreamTrack):
    """Plays groups of NAL units, each at its time in pictures; then starts again at `loop_from`."""

    kind = "video"

    def __init__(self, groups, loop_from=0):
        super().__init__()
        self.groups = groups
        self.loop_from = loop_from
        self.place = 0
        self._offset = 0
        self._started_at = None

    async def recv(self):
        if self.place == len(self.groups):
            length = self.groups[-1][0] + 1 - self.groups[self.loop_from][0]
            self._offset += length
            self.place = self.loop_from
        at, units = self.groups[self.place]
        self.place += 1
        at += self._offset
        now = time.monotonic()
        self._started_at = self._started_at or now
        await asyncio.sleep(max(0.0, self._started_at + at / card.FRAMES_PER_SECOND - now))
        packet = av.Packet(b"".join(START + unit for unit in units))
        packet.pts = int(at * 90_000) // card.FRAMES_PER_SECOND
        packet.time_base = fractions.Fraction(1, 90_000)
        return packet


class EncodedPublisher(Publisher):
    """Sends encoded groups; the offer does not contain the parameter sets, unless `parameters` is set."""

    def __init__(self, media, url, token, groups, loop_from=0, parameters="", profile=None, with_audio=False):
        super().__init__(media, url, token, identity=1, codec="H264", with_audio=with_audio, with_video=False)
        self.video = EncodedVideo(groups, loop_from)
        self.parameters = parameters
        self.profile = profile or profile_of(groups)
        self.offered = {}

    def edit(self, sdp):
        self.offered = dict(FORMAT.findall(sdp))
        return FORMAT.sub(rf"a=fmtp:\1 profile-level-id={self.profile};packetization-mode=1{self.parameters}", sdp)

    def edit_back(self, sdp):
        return FORMAT.sub(lambda found: f"a=fmtp:{found[1]} {self.offered[found[1]]}", sdp)


def profile_of(groups):
    """profile-level-id of the stream."""
    sequence = next(unit for _, units in groups for unit in units if kind(unit) == SEQUENCE)
    return sequence[1:4].hex()


def sprop(units):
    """The offer's parameter with these units."""
    return ";sprop-parameter-sets=" + ",".join(base64.b64encode(unit).decode() for unit in units)
