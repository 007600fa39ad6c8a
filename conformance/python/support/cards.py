"""Recordings of a test card in which tracks come and go, made by the example `record_file` of restage-record."""

import itertools
import pathlib
import subprocess

import imageio_ffmpeg

ROOT = pathlib.Path(__file__).resolve().parents[3]
RECORD_FILE = ROOT / "target" / "debug" / "examples" / "record_file"
SECONDS = 4
SMALL, LARGE = "320x180", "640x360"
ENCODERS = {
    "H264": (
        ".h264",
        ("libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-x264-params", "slices=1:threads=1"),
    ),
    "H264-high": (".h264", ("libx264", "-profile:v", "high", "-preset", "fast", "-x264-params", "slices=1:threads=1")),
    "H265": (".h265", ("libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:repeat-headers=1:slices=1")),
    "VP9": (".ivf", ("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-b:v", "400k")),
    "AV1": (".ivf", ("libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-b:v", "400k")),
}


class Cards:
    """Test cards and recordings of them, in a folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.count = itertools.count()
        assert RECORD_FILE.is_file(), f"there is no {RECORD_FILE}: cargo test builds it"

    def card(self, codec, size=SMALL):
        """An encoded card of four seconds with a key frame each second, made when it is asked for first."""
        suffix, encoder = ENCODERS[codec]
        path = self.folder / f"{codec}-{size}{suffix}"
        if not path.is_file():
            source = f"testsrc2=size={size}:rate=30:duration={SECONDS}"
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i", source]
            command += ["-pix_fmt", "yuv420p", "-g", "30", "-bf", "0", "-c:v", *encoder, str(path)]
            subprocess.run(command, check=True, timeout=120)
        return path

    def record(self, codec, *events):
        """The folder of a recording; `events` are those of the example."""
        folder = self.folder / f"recording-{next(self.count)}"
        subprocess.run([RECORD_FILE, self.card(codec), folder, *events], check=True, timeout=120, capture_output=True)
        return folder
