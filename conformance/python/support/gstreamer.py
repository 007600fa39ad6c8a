"""GStreamer of the system as a player of recordings."""

import contextlib
import functools
import http.server
import json
import os
import pathlib
import subprocess
import threading

PROGRAM = pathlib.Path(__file__).with_name("gstreamer_hls.py")
PYTHON = "/usr/bin/python3"
# GStreamer 1.22 says these of every MP4 with such tracks, FFmpeg's too: its table of box names, for its log, lacks two
# of them, its reader of `av1C` is older than version 1, and x265 does not say what its colours are.
KNOWN = (
    "qtdemux_type_get: unknown QuickTime node type Opus",
    "qtdemux_type_get: unknown QuickTime node type vp09",
    "qtdemux_parse_trak: Unknown version 1 of av1C box",
    "validate_colorimetry: Need to specify a color matrix when using YUV format",
    "gst_video_info_from_caps: invalid colorimetry, using default",
)
PLAY_S = 90


def missing():
    """The elements that are not installed, or why none is."""
    try:
        done = subprocess.run([PYTHON, str(PROGRAM), "missing"], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stdout.strip() or done.stderr.strip()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(directory):
    """Serves a folder by HTTP; gives its URL."""
    handler = functools.partial(Quiet, directory=str(directory))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def played(path):
    """(seconds of sound, number of pictures, lines of warnings) of a playlist that is played to its end."""
    with served(path.parent) as url:
        done = subprocess.run(
            [PYTHON, str(PROGRAM), f"{url}/{path.name}"],
            env={**os.environ, "GST_DEBUG": "2", "GST_DEBUG_NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=PLAY_S,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    warnings = [line for line in done.stderr.splitlines() if line.strip() and not any(known in line for known in KNOWN)]
    return said["samples"] / 48_000, said["pictures"], warnings
