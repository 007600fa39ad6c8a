"""GStreamer's rtmp2sink: /usr/bin/python3 gstreamer_rtmp.py publish SERVER STREAM_KEY H264

`missing` prints the elements that are not there, and exits with 1. It runs under the system's Python.
"""

import json
import pathlib
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python"))

from support.gstreamer_rtmp import ELEMENTS, PIPELINE  # noqa: E402


def main():
    Gst.init(None)
    if sys.argv[1:] == ["missing"]:
        missing = [name for name in ELEMENTS if not Gst.ElementFactory.find(name)]
        print(*missing)
        sys.exit(1 if missing else 0)
    _, server, key, *_ = sys.argv[1:]
    pipeline = Gst.parse_launch(PIPELINE.format(server + key))
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
