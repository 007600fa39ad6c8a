"""GStreamer's webrtcbin as a WHIP publisher and a WHEP viewer, as it comes: own RSA certificate, own addresses.

    /usr/bin/python3 gstreamer_peer.py publish|watch URL TOKEN VP8|VP9|H264
    /usr/bin/python3 gstreamer_peer.py version
    /usr/bin/python3 gstreamer_peer.py missing      prints the elements that are not there, and exits with 1

It runs under the system's Python, which has Debian's bindings.
"""

import json
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import zlib

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

HTTP_S = 15
REPORT_MS = 100

CAMERA = "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1 ! videoconvert ! "
ENCODERS = {
    "H264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 "
    "! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 aggregate-mode=zero-latency",
    "VP8": "vp8enc deadline=1 keyframe-max-dist=30 ! rtpvp8pay",
    "VP9": "video/x-raw,format=I420 ! vp9enc deadline=1 cpu-used=8 keyframe-max-dist=30 ! rtpvp9pay",
}
MICROPHONE = "audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! rtpopuspay"
DECODERS = {
    "H264": "rtph264depay ! h264parse ! avdec_h264 ! videoconvert ! video/x-raw,format=GRAY8",
    "VP8": "rtpvp8depay ! vp8dec ! videoconvert ! video/x-raw,format=GRAY8",
    "VP9": "rtpvp9depay ! vp9dec ! videoconvert ! video/x-raw,format=GRAY8",
    "OPUS": "rtpopusdepay ! opusdec ! audioconvert ! audio/x-raw,format=S16LE",
}

# Which package contains an element differs between systems; only its presence matters.
ELEMENTS = ("webrtcbin", "nicesrc", "dtlsenc", "srtpenc", "x264enc", "vp8enc", "opusenc", "avdec_h264", "h264parse")
ELEMENTS += ("vp8dec", "opusdec", "rtph264pay", "rtpvp8pay", "videotestsrc", "videoconvert", "audioresample")
ELEMENTS += ("vp9enc", "vp9dec", "rtpvp9pay", "rtpvp9depay")


def say(**what):
    print(json.dumps(what), flush=True)


# The bindings free objects that webrtcbin still reads, unless Python refers to them.
KEPT = []


def description(kind, text):
    """A session description of the text of one."""
    _, parsed = GstSdp.SDPMessage.new_from_text(text)
    described = GstWebRTC.WebRTCSessionDescription.new(kind, parsed)
    KEPT.extend([parsed, described])
    return described


class Peer:
    """One webrtcbin and its HTTP resource."""

    def __init__(self, role, url, token, codec):
        self.url, self.token = url, token
        self.loop = GLib.MainLoop()
        self.has_failed = False
        self.location = None
        self.seen = {"frames": 0, "changes": 0, "sounds": 0}
        self._last = None
        self._is_posted = False
        if role == "publish":
            self.pipeline = Gst.parse_launch(
                f"webrtcbin name=peer bundle-policy=max-bundle {CAMERA}{ENCODERS[codec]} "
                f"! application/x-rtp,media=video,encoding-name={codec},payload=96 ! peer. "
                f"{MICROPHONE} ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer."
            )
            self.peer = self.pipeline.get_by_name("peer")
        else:
            # webrtcbin must be in a pipeline, even alone.
            self.pipeline = Gst.parse_launch("pipeline. ( webrtcbin name=peer bundle-policy=max-bundle )")
            self.peer = self.pipeline.get_by_name("peer")
            self._wish("video", codec, 96, 90_000)
            self._wish("audio", "OPUS", 97, 48_000)
        self.peer.connect("pad-added", self._on_pad)
        self.peer.connect("on-negotiation-needed", self._on_negotiation)
        self.peer.connect("notify::ice-gathering-state", self._on_gathering)
        self.peer.connect("notify::connection-state", self._on_connection)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: self.fail(message.parse_error()[0].message))

    def _wish(self, media, codec, payload, clock):
        caps = Gst.Caps.from_string(
            f"application/x-rtp,media={media},encoding-name={codec},payload={payload},clock-rate={clock}"
        )
        self.peer.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, caps)

    def fail(self, why):
        self.has_failed = True
        say(failed=why)
        self.loop.quit()

    def _on_negotiation(self, _peer):
        def on_offer(promise):
            # The description is freed with the reply, so a copy of its text is set.
            reply = promise.get_reply()
            KEPT.extend([promise, reply])
            text = reply.get_value("offer").sdp.as_text()
            offer = description(GstWebRTC.WebRTCSDPType.OFFER, text)
            self.peer.emit("set-local-description", offer, Gst.Promise.new())

        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(on_offer))

    def _on_gathering(self, *_):
        state = self.peer.get_property("ice-gathering-state")
        if state == GstWebRTC.WebRTCICEGatheringState.COMPLETE and not self._is_posted:
            self._is_posted = True
            offer = self.peer.get_property("local-description").sdp.as_text()
            threading.Thread(target=self._post, args=(offer,), daemon=True).start()

    def _post(self, offer):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/sdp"}
        request = urllib.request.Request(self.url, offer.encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=HTTP_S) as response:
                answer = response.read().decode()
                self.location = urllib.parse.urljoin(self.url, response.headers["Location"])
        except urllib.error.HTTPError as error:
            GLib.idle_add(self.fail, f"{error.code}: {error.read().decode()}")
            return
        except OSError as error:
            GLib.idle_add(self.fail, f"no answer: {error}")
            return
        print(offer, answer, sep="\n", flush=True)
        described = description(GstWebRTC.WebRTCSDPType.ANSWER, answer)
        promise = Gst.Promise.new_with_change_func(self._on_answer)
        KEPT.append(promise)
        self.peer.emit("set-remote-description", described, promise)

    def _on_answer(self, promise):
        reply = promise.get_reply()
        error = reply and reply.get_value("error")
        if error:
            GLib.idle_add(self.fail, f"webrtcbin refuses the answer: {error.message}")

    def _on_connection(self, *_):
        state = self.peer.get_property("connection-state").value_nick
        say(connection=state)
        if state == "failed":
            GLib.idle_add(self.fail, "webrtcbin's connection state is failed")

    def _on_pad(self, _peer, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        codec = pad.get_current_caps().get_structure(0).get_string("encoding-name")
        text = f"queue ! {DECODERS[codec]} ! fakesink name=sink signal-handoffs=true sync=false async=false"
        decoder = Gst.parse_bin_from_description(text, True)
        handler = self._on_sound if codec == "OPUS" else self._on_picture
        decoder.get_by_name("sink").connect("handoff", handler)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def _on_picture(self, _sink, buffer, _pad):
        mark = zlib.crc32(buffer.extract_dup(0, buffer.get_size()))
        self.seen["frames"] += 1
        self.seen["changes"] += self._last is not None and mark != self._last
        self._last = mark

    def _on_sound(self, _sink, buffer, _pad):
        self.seen["sounds"] += any(buffer.extract_dup(0, buffer.get_size()))

    def _report(self):
        say(**self.seen)
        return True

    def run(self):
        """Runs until standard input is closed."""
        threading.Thread(target=lambda: (sys.stdin.read(), GLib.idle_add(self.loop.quit)), daemon=True).start()
        GLib.timeout_add(REPORT_MS, self._report)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        self._leave()
        self.pipeline.set_state(Gst.State.NULL)

    def _leave(self):
        if self.location is None:
            return
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            request = urllib.request.Request(self.location, headers=headers, method="DELETE")
            urllib.request.urlopen(request, timeout=HTTP_S).close()
        except OSError as error:
            print(f"DELETE {self.location}: {error}", flush=True)


def main():
    Gst.init(None)
    if sys.argv[1:] == ["version"]:
        print(".".join(str(part) for part in Gst.version()[:3]))
        return
    if sys.argv[1:] == ["missing"]:
        missing = [name for name in ELEMENTS if not Gst.ElementFactory.find(name)]
        print(*missing)
        sys.exit(1 if missing else 0)
    peer = Peer(*sys.argv[1:])
    peer.run()
    sys.exit(1 if peer.has_failed else 0)


if __name__ == "__main__":
    main()
