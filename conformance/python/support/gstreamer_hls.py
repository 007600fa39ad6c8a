"""GStreamer as a player of recordings: reads a playlist to its end by `hlsdemux` and decodes everything.

    GST_DEBUG=2 /usr/bin/python3 gstreamer_hls.py URL      prints {"pictures": 251, "samples": 480000}
    /usr/bin/python3 gstreamer_hls.py missing              prints the elements that are not there, and exits with 1

It runs under the system's Python, which has Debian's bindings. What GStreamer warns of is on standard error.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

ELEMENTS = ("souphttpsrc", "hlsdemux", "decodebin", "qtdemux", "h264parse", "avdec_h264", "opusdec", "fakesink")
BYTES_PER_SAMPLE = 2
END_S = 60


def fail(why):
    print(json.dumps({"failed": why}), flush=True)
    sys.exit(1)


class Player:
    """Decodes each stream into a sink that counts."""

    def __init__(self, url):
        self.pictures = self.samples = 0
        self.pipeline = Gst.parse_launch("souphttpsrc name=source ! hlsdemux ! decodebin name=decoder")
        self.pipeline.get_by_name("source").set_property("location", url)
        self.pipeline.get_by_name("decoder").connect("pad-added", self._on_pad)

    def _on_pad(self, _, pad):
        is_sound = pad.get_current_caps().get_structure(0).get_name() == "audio/x-raw"
        description = "queue ! audioconvert ! audio/x-raw,format=S16LE,channels=1 ! " if is_sound else "queue ! "
        branch = Gst.parse_bin_from_description(
            f"{description}fakesink name=sink signal-handoffs=true sync=false", True
        )
        branch.get_by_name("sink").connect("handoff", self._on_sound if is_sound else self._on_picture)
        self.pipeline.add(branch)
        branch.sync_state_with_parent()
        pad.link(branch.get_static_pad("sink"))

    def _on_sound(self, _sink, buffer, _pad):
        self.samples += buffer.get_size() // BYTES_PER_SAMPLE

    def _on_picture(self, *_):
        self.pictures += 1

    def play(self):
        """Returns at the end of the playlist."""
        self.pipeline.set_state(Gst.State.PLAYING)
        wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR
        message = self.pipeline.get_bus().timed_pop_filtered(END_S * Gst.SECOND, wanted)
        if message is None:
            fail(f"not at the end after {END_S} s")
        if message.type == Gst.MessageType.ERROR:
            fail(str(message.parse_error()))
        self.pipeline.set_state(Gst.State.NULL)


def main():
    Gst.init(None)
    if sys.argv[1] == "missing":
        missing = [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]
        print(" ".join(missing))
        sys.exit(1 if missing else 0)
    player = Player(sys.argv[1])
    player.play()
    print(json.dumps({"pictures": player.pictures, "samples": player.samples}), flush=True)


if __name__ == "__main__":
    main()
