"""GStreamer's rtmp2sink: /usr/bin/python3 gstreamer_rtmp.py publish SERVER STREAM_KEY H264

`missing` prints the elements that are not there, and exits with 1. It runs under the system's Python.
"""

import json
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

ELEMENTS = ("videotestsrc", "audiotestsrc", "x264enc", "voaacenc", "h264parse", "aacparse", "flvmux", "rtmp2sink")
PICTURES = (
    "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1 ! videoconvert "
    "! x264enc tune=zerolatency speed-preset=ultrafast bframes=0 key-int-max=15 bitrate=400 "
    "! video/x-h264,profile=constrained-baseline ! h264parse ! queue ! mux. "
)
SOUND = "audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! aacparse ! queue ! mux. "
OUTPUT = "flvmux name=mux streamable=true ! rtmp2sink name=sink"


def main():
    Gst.init(None)
    if sys.argv[1:] == ["missing"]:
        missing = [name for name in ELEMENTS if not Gst.ElementFactory.find(name)]
        print(*missing)
        sys.exit(1 if missing else 0)
    _, server, key, *_ = sys.argv[1:]
    pipeline = Gst.parse_launch(PICTURES + SOUND + OUTPUT)
    pipeline.get_by_name("sink").set_property("location", server + key)
    loop = GLib.MainLoop()
    failed = []

    def on_error(_, message):
        failed.append(message.parse_error()[0].message)
        print(json.dumps({"failed": failed[0].replace(key, "STREAM_KEY")}), flush=True)
        loop.quit()

    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::error", on_error)
    threading.Thread(target=lambda: (sys.stdin.read(), GLib.idle_add(loop.quit)), daemon=True).start()
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    pipeline.set_state(Gst.State.NULL)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
