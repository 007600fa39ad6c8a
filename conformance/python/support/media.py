"""Real WebRTC peers: aiortc publishes and watches, on an event loop in a thread of its own.

The tests stay plain functions; each method here runs its coroutine on that loop and waits for it.
"""

import asyncio
import collections
import fractions
import ssl
import threading
import time

import aiohttp
import aioice.ice
import aiortc
import av
import numpy
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCSessionDescription

from . import api, card
from .wait import eventually

CONNECT_S = 20
CALL_S = 30
# A second of sound: enough to distinguish tones 75 Hz apart, over several packets.
HEARD_SAMPLES = 9600

# Test traffic stays on loopback, which aioice does not use by itself.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"] if use_ipv4 else []


class CardVideo(aiortc.MediaStreamTrack):
    """The picture of `card`, at its frame rate."""

    kind = "video"

    def __init__(self, identity):
        super().__init__()
        self.identity = identity
        self.count = 0
        self._started_at = None

    async def recv(self):
        now = time.monotonic()
        self._started_at = self._started_at or now
        due = self._started_at + self.count / card.FRAMES_PER_SECOND
        await asyncio.sleep(max(0.0, due - now))
        frame = av.VideoFrame(card.WIDTH, card.HEIGHT, "yuv420p")
        frame.planes[0].update(card.draw(self.identity, self.count).tobytes())
        for plane in frame.planes[1:]:
            plane.update(bytes([128]) * plane.buffer_size)
        frame.pts = self.count * 90_000 // card.FRAMES_PER_SECOND
        frame.time_base = fractions.Fraction(1, 90_000)
        self.count += 1
        return frame


class CardAudio(aiortc.MediaStreamTrack):
    """The tone of `card`."""

    kind = "audio"

    def __init__(self, identity):
        super().__init__()
        self.identity = identity
        self._sample = 0
        self._started_at = None

    async def recv(self):
        now = time.monotonic()
        self._started_at = self._started_at or now
        due = self._started_at + self._sample / card.SAMPLE_RATE
        await asyncio.sleep(max(0.0, due - now))
        frame = av.AudioFrame("s16", "mono", card.SAMPLES_PER_FRAME)
        frame.planes[0].update(card.tone(self.identity, self._sample).tobytes())
        frame.pts = self._sample
        frame.sample_rate = card.SAMPLE_RATE
        frame.time_base = fractions.Fraction(1, card.SAMPLE_RATE)
        self._sample += card.SAMPLES_PER_FRAME
        return frame


class Refused(Exception):
    """The server answered a WHIP or WHEP request with a status other than 201."""

    def __init__(self, status, headers, body):
        super().__init__(f"{status}: {body}")
        self.status = status
        self.headers = headers
        self.body = body


class Peer:
    """One peer connection and the HTTP resource it belongs to."""

    # A connection token to present beside the participant token.
    connection = None

    def __init__(self, media, url, token):
        self.media = media
        self.url = url
        self.token = token
        self.location = None
        self.etag = None
        self.answer = None
        self.pc = None

    @property
    def authorization(self):
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    async def _connect(self):
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=self.media.ice_servers))
        states = []
        self.pc.on("connectionstatechange", lambda: states.append(self.pc.connectionState))
        self._prepare()
        await self.pc.setLocalDescription(await self.pc.createOffer())
        headers = {**self.authorization, "Content-Type": "application/sdp"}
        if self.connection:
            headers["Restage-Connection"] = self.connection
        offer = self.edit(self.pc.localDescription.sdp)
        async with self.media.http.post(self.url, data=offer, headers=headers) as response:
            body = await response.text()
            if response.status != 201:
                await self.pc.close()
                raise Refused(response.status, response.headers, body)
            self.location = str(response.url.join(aiohttp.client.URL(response.headers["Location"])))
            self.etag = response.headers.get("ETag")
            self.answer = body
        answer = self.edit_back(self.answer)
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        ends_at = time.monotonic() + CONNECT_S
        # A peer that is closed at once was connected all the same.
        while "connected" not in states:
            assert self.pc.connectionState in ("new", "connecting"), f"peer is {self.pc.connectionState}"
            assert time.monotonic() < ends_at, f"peer is {self.pc.connectionState} after {CONNECT_S} s"
            await asyncio.sleep(0.01)

    def _prepare(self):
        raise NotImplementedError

    def edit(self, sdp):
        """The offer to send."""
        return sdp

    def edit_back(self, sdp):
        """The answer to give to this library."""
        return sdp

    async def _close(self):
        if self.pc is not None:
            await self.pc.close()

    async def _leave(self):
        if self.location is not None:
            async with self.media.http.delete(self.location, headers=self.authorization) as response:
                status = response.status
            await self._close()
            return status
        return None

    def leave(self):
        """Ends it like a well-behaved client, with DELETE; returns the status."""
        return self.media.run(self._leave())

    def drop(self):
        """Closes the peer connection without a DELETE."""
        self.media.run(self._close())

    @property
    def state(self):
        return self.pc.connectionState


class Publisher(Peer):
    """Sends the card of `identity`."""

    def __init__(self, media, url, token, identity, codec, with_audio, with_video):
        super().__init__(media, url, token)
        self.identity = identity
        self.codec = codec
        self.video = CardVideo(identity) if with_video else None
        self.audio = CardAudio(identity) if with_audio else None

    def _prepare(self):
        if self.audio is not None:
            self.pc.addTransceiver(self.audio, direction="sendonly")
        if self.video is not None:
            transceiver = self.pc.addTransceiver(self.video, direction="sendonly")
            codecs = RTCRtpSender.getCapabilities("video").codecs
            wanted = {f"video/{self.codec}", "video/rtx"}
            transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType in wanted])


class Watcher(Peer):
    """Receives one participant and keeps the last picture and sound."""

    def __init__(self, media, url, token, codecs=None, with_audio=True):
        super().__init__(media, url, token)
        self.codecs = codecs
        self.with_audio = with_audio
        self.frames = 0
        self.size = None
        self.identity = None
        self.count = None
        self.seen = collections.Counter()
        self.level = 0.0
        self.frequency = 0.0
        self.sounds = 0
        self._samples = numpy.zeros(0, numpy.int16)

    def _prepare(self):
        if self.with_audio:
            self.pc.addTransceiver("audio", direction="recvonly")
        video = self.pc.addTransceiver("video", direction="recvonly")
        if self.codecs is not None:
            known = RTCRtpReceiver.getCapabilities("video").codecs
            wanted = {*self.codecs, "rtx"}
            video.setCodecPreferences([codec for codec in known if codec.mimeType.removeprefix("video/") in wanted])

        @self.pc.on("track")
        def on_track(track):
            self.media.spawn(self._look(track) if track.kind == "video" else self._listen(track))

    async def _look(self, track):
        while True:
            try:
                frame = await track.recv()
            except aiortc.mediastreams.MediaStreamError:
                return
            self.frames += 1
            self.size = (frame.width, frame.height)
            shown = card.read(frame.reformat(format="gray").to_ndarray())
            if shown is not None:
                self.identity, self.count = shown
                self.seen[self.identity] += 1

    async def _listen(self, track):
        while True:
            try:
                frame = await track.recv()
            except aiortc.mediastreams.MediaStreamError:
                return
            channels = len(frame.layout.channels)
            self._samples = numpy.concatenate([self._samples, frame.to_ndarray().reshape(-1)[::channels]])
            if len(self._samples) >= HEARD_SAMPLES:
                self.level, self.frequency = card.heard(self._samples)
                self.sounds += 1
                self._samples = self._samples[:0]

    def sees(self, identity):
        """Whether the latest picture is of this identity."""
        return self.identity == identity

    def hears(self, identity):
        """Whether the latest sound is this identity's tone."""
        return self.level > 500 and abs(self.frequency - card.pitch(identity)) < card.TONE_STEP_HZ / 3

    def wait_for(self, identity, frames=5, timeout_s=20):
        """Waits for this many more frames of this identity, and for its tone."""
        target = self.seen[identity] + frames
        sounds = self.sounds + 1
        eventually(
            lambda: self.seen[identity] >= target and self.sees(identity),
            timeout_s,
            f"{frames} frames of {identity}; {self}",
        )
        eventually(lambda: self.sounds >= sounds and self.hears(identity), timeout_s, f"tone of {identity}; {self}")

    def __repr__(self):
        return (
            f"<Watcher {self.pc.connectionState if self.pc else 'new'} frames={self.frames} seen={dict(self.seen)} "
            f"level={self.level:.0f} frequency={self.frequency:.0f}>"
        )


class Events:
    """The events WebSocket of a stage, or with a connection token alone its own WebSocket."""

    def __init__(self, media, url, token, connection=None):
        self.media = media
        self.url = url
        self.token = token
        self.connection = connection
        self.socket = None
        self.frames = []
        self.close_code = None
        self.close_reason = None
        self.is_closed = False

    async def _connect(self):
        # Not closed automatically, because answering the server's close frame may fail and would hide its code.
        protocols = [self.token] if self.token else []
        if self.connection:
            protocols.append(f"restage-connection.{self.connection}")
        self.socket = await self.media.http.ws_connect(self.url, protocols=protocols, autoclose=False)
        self.media.spawn(self._read())

    async def _read(self):
        # Iterating would hide the close frame, which has the reason.
        while True:
            message = await self.socket.receive()
            if message.type == aiohttp.WSMsgType.TEXT:
                self.frames.append(message.json())
            elif message.type == aiohttp.WSMsgType.CLOSE:
                self.close_reason = message.extra
                break
            elif message.type in (aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                break
        # In this order, so that a reader who sees the end can read the code.
        self.close_code = self.socket.close_code
        self.is_closed = True
        await self.socket.close()

    def states(self):
        """The STAGE_STATE payloads so far, oldest first."""
        return [frame["payload"] for frame in self.frames if frame["type"] == "STAGE_STATE"]

    def publishing(self):
        """Ids of the publishing participants in the latest STAGE_STATE; None before the first."""
        states = self.states()
        if not states:
            return None
        return {item["id"] for item in states[-1]["participants"] if item["isPublishing"]}

    def send(self, text):
        self.media.run(self.socket.send_str(text))

    def send_bytes(self, data):
        self.media.run(self.socket.send_bytes(data))

    @property
    def protocol(self):
        return self.socket.protocol

    def close(self):
        self.media.run(self.socket.close())


def placed(url, token, in_url):
    """(URL, token for the header): with `in_url` the token moves into the URL."""
    return (f"{url}?{in_url}={token}", None) if in_url else (url, token)


class Media:
    """The event loop, and its tasks. `trust` is a file with the certificates to accept, instead of the system's."""

    def __init__(self, trust=None):
        self.trust = trust
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="media", daemon=True)
        self._thread.start()
        self._tasks = set()
        self._open = []
        # What the next peers are given, as RTCIceServer.
        self.ice_servers = []
        self.http = self.run(self._make_http())

    async def _make_http(self):
        connector = self.trust and aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=self.trust))
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_S), connector=connector)

    def run(self, coroutine):
        """Runs a coroutine on the loop, and waits for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(CALL_S)

    def spawn(self, coroutine):
        """Starts a task on the loop; must be called there."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def publish(
        self, token, identity=1, codec="VP8", url=None, with_audio=True, with_video=True, in_url=None, connection=None
    ):
        """Publishes into the stage the token is for; returns when media can flow.

        `in_url` names the query parameter that carries the token, which is then nowhere else. `connection` is a
        connection token.
        """
        target, token = placed(url or api.payload(token)["whip_url"], token, in_url)
        publisher = Publisher(self, target, token, identity, codec, with_audio, with_video)
        publisher.connection = connection
        return self.open(publisher)

    def watch(self, token, participant, url=None, in_url=None, connection=None, **arguments):
        """Subscribes to a participant of the stage the token is for; returns when media can flow."""
        base = url or api.payload(token)["whip_url"].removesuffix("/whip") + "/whep"
        target, token = placed(f"{base}/{participant}", token, in_url)
        watcher = Watcher(self, target, token, **arguments)
        watcher.connection = connection
        return self.open(watcher)

    def events(self, token, in_url=None, connection=None):
        """Opens the events WebSocket of the token's stage."""
        said = api.payload(token)
        target, token = placed(f"{said['events_url']}/{said['topic']}", token, in_url)
        return self.open(Events(self, target, token, connection))

    def connection(self, token, url=None):
        """Opens the WebSocket of a connection token. A token that says where the server is needs no `url`."""
        target = url or api.payload(token)["events_url"].removesuffix("/events") + "/connection"
        return self.open(Events(self, target, token))

    def open(self, peer):
        """Connects a peer that was made elsewhere; it is closed with the others."""
        self._open.append(peer)
        self.run(peer._connect())
        return peer

    def request(self, method, url, **arguments):
        """A plain HTTP request: (status, headers, body)."""

        async def ask():
            async with self.http.request(method, url, **arguments) as response:
                return response.status, response.headers, await response.text()

        return self.run(ask())

    def close_peers(self):
        """Closes everything that was opened, in any state."""
        peers, self._open = self._open, []
        for peer in peers:
            if isinstance(peer, Events):
                if peer.socket is not None:
                    peer.close()
            else:
                self.run(peer._close())

    def close(self):
        self.close_peers()
        self.run(self.http.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(CALL_S)
