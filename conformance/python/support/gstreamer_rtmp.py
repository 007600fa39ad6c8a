"""GStreamer of the system publishes by RTMP: run with the system's Python.

gstreamer_rtmp.py URL | missing
"""

import signal
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

ELEMENTS = ("rtmp2sink", "flvmux", "x264enc", "voaacenc", "h264parse", "aacparse", "videotestsrc", "audiotestsrc")
PIPELINE = (
    "videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=30/1 ! "
    "x264enc tune=zerolatency speed-preset=ultrafast bitrate=500 key-int-max=30 bframes=0 ! "
    "video/x-h264,profile=baseline ! h264parse ! mux. "
    "audiotestsrc is-live=true freq=440 ! audio/x-raw,rate=44100,channels=2 ! voaacenc bitrate=96000 ! aacparse ! mux. "
    "flvmux name=mux streamable=true ! rtmp2sink name=sink tls-validation-flags=0 location={}"
)


def main():
    Gst.init(None)
    if sys.argv[1] == "missing":
        print(" ".join(name for name in ELEMENTS if Gst.ElementFactory.find(name) is None))
        return
    pipeline = Gst.parse_launch(PIPELINE.format(sys.argv[1]))
    loop = GLib.MainLoop()

    def told(_bus, message):
        if message.type in (Gst.MessageType.ERROR, Gst.MessageType.EOS):
            if message.type == Gst.MessageType.ERROR:
                print(*message.parse_error(), file=sys.stderr)
            loop.quit()

    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", told)
    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, lambda: pipeline.send_event(Gst.Event.new_eos()))
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main()
