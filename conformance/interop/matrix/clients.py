"""The clients in the matrix: codecs, capabilities, how each is started, and what it needs."""

import dataclasses
import functools
import importlib.util
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parents[1]
PROGRAMS = HERE / "clients"
SYSTEM_PYTHON = os.environ.get("INTEROP_SYSTEM_PYTHON", "/usr/bin/python3")
CHROMIUM = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
FIREFOX = os.environ.get("FIREFOX") or "/usr/bin/firefox-esr"
SYSTEM_FFMPEG = os.environ.get("INTEROP_SYSTEM_FFMPEG", "/usr/bin/ffmpeg")
OBS, XVFB = "obs", "Xvfb"

PION = HERE / "pion"
PION_BINARY = HERE.parents[1] / "target" / "interop-pion"

ASK_S = 60
# Go fetches and compiles what is not there yet.
GO_BUILD_S = 300


FFMPEG_PICTURES = (
    "-hide_banner -re -f lavfi -i testsrc2=size=320x240:rate=15 -re -f lavfi -i sine=frequency=440:sample_rate=48000 "
    "-c:v libx264 -profile:v baseline -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 30 -b:v 400k"
)
FFMPEG_PUBLISH = shlex.split(f"{FFMPEG_PICTURES} -c:a libopus -ac 2 -ar 48000 -f whip -authorization")
FFMPEG_RTMP = shlex.split(f"{FFMPEG_PICTURES} -c:a aac -ac 2 -ar 48000 -f flv")


@dataclasses.dataclass(frozen=True)
class Client:
    """One row of the table."""

    name: str
    codec: str
    command: tuple
    version: object
    missing: object
    note: str
    only_publishes: str = ""
    # It publishes by RTMP with a stream key.
    is_encoder: bool = False

    @property
    def key(self):
        """The name of its results and logs."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.name} {self.codec}".lower()).strip("-")

    @property
    def environment(self):
        """Environment of its program: the path of the encoder, for stacks without one."""
        return {"INTEROP_FFMPEG": ffmpeg()} if self.command[0] in ("node", str(PION_BINARY)) else {}

    def argv(self, role, url, token):
        """The command for one cell. `token` is a stream key for encoders."""
        if self.command == ("ffmpeg",):
            return [ffmpeg(), *FFMPEG_PUBLISH, token, url]
        if self.command[0] == OVER_RTMP:
            return [self.command[1] or ffmpeg(), *FFMPEG_RTMP, url + token]
        return [*self.command, role, url, token, self.codec]


def said(*command):
    """The first dotted number in the output of a command."""
    output = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=True).stdout
    return short(re.search(r"\d+\.\d+[\w.]*", output)[0])


def short(version):
    """Major and minor version; further parts change with every security update."""
    return ".".join(re.findall(r"\d+", version)[:2])


def ffmpeg():
    """The static FFmpeg of a Python package."""
    import imageio_ffmpeg

    return imageio_ffmpeg.get_ffmpeg_exe()


def pyav():
    import av

    return short(av.ffmpeg_version_info)


def node_package(name):
    """Version of an installed package."""
    return short(json.loads((HERE / "node_modules" / name / "package.json").read_text())["version"])


def no_module(name):
    return "" if importlib.util.find_spec(name) else f"the Python package {name} is not installed"


def no_node_package(name):
    if not shutil.which("node"):
        return "node is not installed"
    return "" if (HERE / "node_modules" / name).is_dir() else f"the Node package {name} is not installed"


def no_command(path):
    return "" if shutil.which(path) else f"{path} is not installed"


@functools.cache
def no_gstreamer(program="gstreamer_peer.py"):
    """Asks the system's Python, which has Debian's bindings, for every element that a program needs."""
    if not shutil.which(SYSTEM_PYTHON):
        return f"{SYSTEM_PYTHON} is not there"
    asked = subprocess.run(gstreamer("missing", program=program), capture_output=True, text=True, timeout=ASK_S)
    if asked.returncode == 0:
        return ""
    elements = asked.stdout.strip()
    return f"GStreamer has no {elements}" if elements else "GStreamer's Python bindings are not installed"


@functools.cache
def no_pion():
    """Compiles Pion's client, if Go and the modules can be had."""
    if not shutil.which("go"):
        return "Go is not installed"
    command = ["go", "build", "-C", str(PION), "-o", str(PION_BINARY), "."]
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    built = subprocess.run(command, capture_output=True, text=True, timeout=GO_BUILD_S, env=environment)
    return (
        "" if built.returncode == 0 else f"Go does not compile Pion's client: {built.stderr.strip().splitlines()[-1]}"
    )


def pion_version():
    return short(re.search(r"pion/webrtc/v4 v(\S+)", (PION / "go.mod").read_text())[1])


def aiortc_version():
    import aiortc

    return short(aiortc.__version__)


def node(program, *words):
    return ("node", str(PROGRAMS / program), *words)


def python(program):
    return (sys.executable, str(PROGRAMS / program))


def gstreamer(*words, program="gstreamer_peer.py"):
    return (SYSTEM_PYTHON, str(PROGRAMS / program), *words)


ENCODES_ONLY = "a WHIP muxer sends only; FFmpeg has no WHEP"
RTMP_ONLY = "RTMP only publishes"
# FFmpeg by RTMP; its path follows, or nothing for the static one.
OVER_RTMP = "ffmpeg over RTMP"

H264, VP8, VP9, AV1 = "H264", "VP8", "VP9", "AV1"


def libwebrtc(codec, note="@roamhq/wrtc, built without H.264"):
    """libwebrtc in Node, which also is the other end for codecs that aiortc lacks."""
    name = "@roamhq/wrtc"
    return Client(
        "libwebrtc in Node",
        codec,
        node("wrtc.js"),
        version=lambda: node_package(name),
        missing=lambda: no_node_package(name),
        note=note,
    )


def rows():
    """Every row, in the order of the table."""
    chromium = {"version": lambda: said(CHROMIUM, "--version"), "missing": lambda: no_command(CHROMIUM)}
    firefox = {"version": lambda: said(FIREFOX, "--version"), "missing": lambda: no_command(FIREFOX)}
    gst = {"version": lambda: said(*gstreamer("version")), "missing": no_gstreamer}
    aio = {"version": aiortc_version, "missing": lambda: no_module("aiortc")}

    def package(name):
        return {"version": lambda: node_package(name), "missing": lambda: no_node_package(name)}

    page = "js/client on a page of another origin"
    for codec in (H264, VP8, VP9, AV1):
        yield Client("Chromium", codec, node("browser.js", "chromium"), note=page, **chromium)
    for codec in (VP8, VP9, AV1):
        yield Client(
            "Firefox",
            codec,
            node("browser.js", "firefox"),
            note=f"{page}; without Cisco's plug-in it has no H.264",
            **firefox,
        )
    yield Client(
        "FFmpeg, command line",
        H264,
        ("ffmpeg",),
        version=lambda: said(ffmpeg(), "-version"),
        missing=lambda: no_module("imageio_ffmpeg"),
        note="`-f whip`, the static build of imageio-ffmpeg",
        only_publishes=ENCODES_ONLY,
    )
    yield Client(
        "FFmpeg, libraries in PyAV",
        H264,
        python("pyav_publish.py"),
        version=pyav,
        missing=lambda: no_module("av"),
        note="the format `whip` of libavformat",
        only_publishes=ENCODES_ONLY,
    )
    for codec in (H264, VP8, VP9):
        yield Client("GStreamer webrtcbin", codec, gstreamer(), note="its own RSA certificate; libnice", **gst)
    for codec in (H264, VP8):
        yield Client("aiortc", codec, python("aiortc_peer.py"), note="", **aio)
    packets = "no decoder: whole pictures from a key frame on"
    for codec in (H264, VP8):
        yield Client("werift", codec, node("werift.js"), note=packets, **package("werift"))
    for codec in (VP8, VP9, AV1):
        yield libwebrtc(codec)
    early = "with `SetFireOnTrackBeforeFirstRTP`, without which it may miss a stream that begins at once"
    for codec in (H264, VP8):
        yield Client(
            "Pion", codec, (str(PION_BINARY),), version=pion_version, missing=no_pion, note=f"{packets}; {early}"
        )
    for codec in (H264, VP8):
        yield Client("libdatachannel", codec, node("datachannel.js"), note=f"{packets}", **package("node-datachannel"))
    yield from encoders(gst["version"])


def encoders(gstreamer_version):
    """The rows of what publishes by RTMP."""

    def encoder(name, command, version, missing, note):
        return Client(name, H264, command, version, missing, note, only_publishes=RTMP_ONLY, is_encoder=True)

    yield encoder(
        "FFmpeg over RTMP",
        (OVER_RTMP, ""),
        lambda: said(ffmpeg(), "-version"),
        lambda: no_module("imageio_ffmpeg"),
        "`-f flv`, the static build of imageio-ffmpeg",
    )
    yield encoder(
        "FFmpeg of Debian over RTMP",
        (OVER_RTMP, SYSTEM_FFMPEG),
        lambda: said(SYSTEM_FFMPEG, "-version"),
        lambda: no_command(SYSTEM_FFMPEG),
        "`-f flv`",
    )
    program = "gstreamer_rtmp.py"
    yield encoder(
        "GStreamer rtmp2sink",
        gstreamer(program=program),
        gstreamer_version,
        lambda: no_gstreamer(program),
        "",
    )
    yield encoder(
        "OBS over RTMP",
        python("obs.py"),
        lambda: said(OBS, "--version"),
        lambda: no_command(OBS) or no_command(XVFB),
        "on a screen of its own (Xvfb)",
    )
