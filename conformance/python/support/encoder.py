"""Encoders that send RTMP: FFmpeg 9, the FFmpeg of the system, and GStreamer of the system."""

import contextlib
import pathlib
import shutil
import subprocess
import threading

import imageio_ffmpeg

GSTREAMER = pathlib.Path(__file__).with_name("gstreamer_rtmp.py")
PYTHON = "/usr/bin/python3"
PICTURE = "testsrc2=size=320x180:rate=30"
TONE_HZ = 440
SOUND = f"sine=frequency={TONE_HZ}:sample_rate=44100"
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "30")
BASELINE = (*H264, "-profile:v", "baseline", "-b:v", "500k")
AAC = ("-c:a", "aac", "-b:a", "96k", "-ac", "2")


def ffmpeg5():
    """FFmpeg of the system, or None."""
    return shutil.which("ffmpeg", path="/usr/bin:/usr/local/bin")


def gstreamer_missing():
    """The elements of GStreamer that are not installed, or why none is."""
    try:
        done = subprocess.run([PYTHON, str(GSTREAMER), "missing"], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stdout.strip() or done.stderr.strip()


class Encoder:
    """A process that publishes until it is stopped."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._said = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        self._said.extend(self.process.stderr)

    def is_over(self):
        """Whether the process has ended, and everything that it wrote was read."""
        return self.process.poll() is not None and not self._reader.is_alive()

    def told(self):
        """What it has written."""
        return "".join(self._said)

    def stop(self):
        """Ends it in order."""
        self.process.terminate()
        self.process.wait(timeout=30)

    def kill(self):
        """Ends it as when its machine fails."""
        self.process.kill()
        self.process.wait(timeout=30)


def ffmpeg(url, *arguments, picture=PICTURE, sound=SOUND, video=BASELINE, audio=AAC, program=None, tail=()):
    """The command of FFmpeg. `arguments` stand before the output, `tail` in place of its own codecs."""
    inputs = ["-re", "-f", "lavfi", "-i", picture] if picture else []
    inputs += ["-re", "-f", "lavfi", "-i", sound] if sound else []
    codecs = [*(video if picture else ()), *(audio if sound else ())]
    program = program or imageio_ffmpeg.get_ffmpeg_exe()
    # The messages of a server are written at this level.
    start = [program, "-nostdin", "-hide_banner", "-loglevel", "verbose"]
    return [*start, *inputs, *(tail or codecs), *arguments, "-f", "flv", url]


@contextlib.contextmanager
def encoding(url, *arguments, **more):
    """FFmpeg publishes while the block runs."""
    with running(ffmpeg(url, *arguments, **more)) as encoder:
        yield encoder


@contextlib.contextmanager
def running(command):
    encoder = Encoder(command)
    try:
        yield encoder
    finally:
        encoder.stop()


def gstreamer(url):
    """The command of GStreamer."""
    return [PYTHON, str(GSTREAMER), url]
