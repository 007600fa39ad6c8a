"""docs/ingest.md as a reader pastes it: its commands, from the stage and its key to encoders, viewers and errors."""

import json
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys

import imageio_ffmpeg
import pytest

from support import gstreamer
from support.ports import free_port
from support.server import ROOT, Server, binary, clean_environment
from support.wait import eventually

GUIDE = ROOT / "docs" / "ingest.md"
# What the guide says the server listens at.
ADDRESS = "rtmp://127.0.0.1:1935/app/"
SCRIPT_S = 120
PUBLISHED_S = 60
GSTREAMER = """
import shlex, sys, gi
gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst
Gst.init(None)
pipeline = Gst.parse_launchv(sys.argv[1:])
pipeline.set_state(Gst.State.PLAYING)
GLib.MainLoop().run()
"""


def blocks():
    """The shell blocks of the guide, in order, without the servers that they start."""
    found = re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [block for block in found if not block.startswith("restage serve")]


def block(*words):
    """The one block that has all of these words."""
    (found,) = [text for text in blocks() if all(word in text for word in words)]
    return found


class Place:
    """A server that takes RTMP, and shells beside it which have the stage and the key of the quick start."""

    def __init__(self, directory):
        self.directory = directory
        self.port = free_port(socket.SOCK_STREAM)
        arguments = ("--rtmp", f"127.0.0.1:{self.port}")
        self.server = Server(directory / "data", *arguments, name="test_ingest_guide").start()
        tools = directory / "tools"
        tools.mkdir()
        (tools / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
        (tools / "restage").symlink_to(binary())
        own = pathlib.Path(sys.executable).parent
        self.path = os.pathsep.join(map(str, (tools, own, os.environ["PATH"])))
        out = self.shell(block("create-stage") + '\necho "$STAGE $KEY"\n')
        self.stage, self.key = out.splitlines()[-1].split()

    def shell(self, script):
        """Runs a script to its end, and returns what it prints."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._here(script)],
            cwd=self.directory,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SCRIPT_S,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}\n{self.server.tail(10)}"
        return done.stdout

    def environment(self):
        """That of the shells of a reader who has followed the quick start."""
        known = {"STAGE": self.stage, "KEY": self.key} if hasattr(self, "key") else {}
        return clean_environment(PATH=self.path, **known)

    def start(self, script):
        """Starts a script which runs until it is stopped; gives its process."""
        return subprocess.Popen(
            ["bash", "-c", self._here(script)],
            cwd=self.directory,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.directory / "encoder.log").open("w"),
            start_new_session=True,
        )

    def _here(self, script):
        return 'eval "$(restage env)"\n' + script.replace(ADDRESS, f"rtmp://127.0.0.1:{self.port}/app/")

    def watched(self):
        """The last figures of `restage watch`, by kind."""
        out = self.shell(block("restage watch"))
        return {track["kind"]: track for track in json.loads(out.splitlines()[-1])["tracks"]}

    def events(self):
        return json.loads(self.shell(block("list-participant-events")))["events"]

    def log(self):
        return (self.directory / "encoder.log").read_text(errors="replace")

    def state(self):
        query = "aws ivs-realtime list-ingest-configurations --query 'ingestConfigurations[0].state' --output text"
        return self.shell(query).strip()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("guide"))
    yield made
    made.server.stop()


@pytest.fixture
def publish(place):
    """Starts an encoder's command. It is ended after the test, and its stream with it."""
    started = []

    def start(script):
        started.append(place.start(script))
        return started[-1]

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    eventually(lambda: place.state() == "INACTIVE", 30, "the stream has ended")


def is_active(place, process):
    assert process.poll() is None, place.log()
    return place.state() == "ACTIVE"


@pytest.mark.timeout(240)
def test_ffmpeg_publishes_and_is_watched(place, publish):
    encoder = publish(block("ffmpeg", "testsrc2", "-b:v 2500k"))
    eventually(lambda: is_active(place, encoder), PUBLISHED_S, "it publishes")
    tracks = place.watched()
    assert tracks["video"]["codec"] == "H.264" and tracks["video"]["frames"] > 30, f"{tracks}\n{place.log()}"
    assert (tracks["video"]["width"], tracks["video"]["height"]) == (1280, 720), tracks
    assert tracks["audio"]["codec"] == "Opus" and tracks["audio"]["frames"] > 30, f"{tracks}\n{place.log()}"


@pytest.mark.timeout(240)
def test_ffmpeg_publishes_two_tracks(place, publish):
    encoder = publish(block("ffmpeg", "filter_complex"))
    eventually(lambda: is_active(place, encoder), PUBLISHED_S, "it publishes")
    tracks = place.watched()
    assert tracks["video"]["frames"] > 30 and tracks["audio"]["frames"] > 30, f"{tracks}\n{place.log()}"


@pytest.mark.timeout(240)
def test_gstreamer_publishes_and_is_watched(place, publish):
    missing = gstreamer.missing()
    if missing and not os.environ.get("CI"):
        pytest.skip(f"GStreamer has no {missing}")
    # gst-launch-1.0 is a package of its own; it parses the same line with the same function.
    words = shlex.split(block("gst-launch-1.0").replace("\\\n", " ").replace("$KEY", place.key))[1:]
    line = shlex.join([gstreamer.PYTHON, "-c", GSTREAMER, *words])
    encoder = publish(f"exec {line}")
    eventually(lambda: is_active(place, encoder), PUBLISHED_S, "it publishes")
    tracks = place.watched()
    assert tracks["video"]["frames"] > 30 and tracks["audio"]["frames"] > 30, f"{tracks}\n{place.log()}"


@pytest.mark.timeout(240)
def test_what_is_refused_is_told_and_in_the_events(place):
    line = block("ffmpeg", "testsrc2", "-b:v 2500k").replace("-tune zerolatency -profile:v baseline", "-bf 2")
    # Small pictures: an encoder that hardly runs does not read what it is told before the server closes.
    line = line.replace("1280x720", "160x90").replace("veryfast", "ultrafast")
    encoder = place.start(line)
    try:
        eventually(lambda: encoder.poll() is not None, PUBLISHED_S, "it is ended")
        assert "Server error: B_FRAME_PRESENT: " in place.log(), place.log()
    finally:
        encoder.kill()
        encoder.wait()
    codes = [event.get("errorCode") for event in place.events()]
    assert "B_FRAME_PRESENT" in codes, codes


def test_redundant_ingest_has_two_keys(place):
    keys = place.shell(block("--redundant-ingest")).split()
    assert len(set(keys)) == 2 and all(key.startswith("rt_") for key in keys), keys
