"""A client that receives all that it wants by one connection, whose offers the server makes over the events socket."""

import json

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from . import api
from .media import Events, Watcher
from .wait import eventually


class Receiving(Events):
    """An events socket and its receiving connection."""

    def __init__(self, media, url, token):
        super().__init__(media, url, token)
        self.pc = None
        # What is seen and heard in each section.
        self.sinks = {}
        self.taken = 0

    def of_type(self, *kinds):
        """The payloads of these types so far."""
        return [frame["payload"] for frame in self.frames if frame["type"] in kinds]

    def ask(self, kind, *answers, **payload):
        """Sends a message, and returns type and payload of the first of these answers to it."""
        before = len(self.frames)
        self.send(json.dumps({"type": kind, "payload": payload}))

        def answer():
            new = [frame for frame in self.frames[before:] if frame["type"] in answers]
            return new and (new[0]["type"], new[0]["payload"])

        return eventually(answer, what=f"an answer to {kind}")

    def configure(self, *participants, connection=None, media="AUDIO_VIDEO"):
        """Wants these participants from now on. Returns type and payload of the answer."""
        receive = [{"remoteParticipantId": one, "media": media} for one in participants]
        named = {"connectionId": connection} if connection else {}
        return self.ask("RECEIVE_CONFIGURE", "RECEIVE_CONFIGURED", "RECEIVE_CONFIGURE_ERROR", receive=receive, **named)

    def offer(self):
        """The next offer that was not taken yet."""
        offers = eventually(lambda: self.of_type("RECEIVE_OFFER")[self.taken :], what="an offer")
        self.taken += 1
        return offers[0]

    def answer(self, offer, edit=lambda sdp: sdp):
        """Answers an offer. Returns type and payload of what the server says."""
        sdp = edit(self.media.run(self._answer(offer["sdp"])))
        about = {"connectionId": offer["connectionId"], "revision": offer["revision"], "sdp": sdp}
        return self.ask("RECEIVE_ANSWER", "RECEIVE_ANSWERED", "RECEIVE_ANSWER_ERROR", **about)

    async def _answer(self, sdp):
        if self.pc is None:
            # All sections have one transport. By its own policy aiortc begins with one for sound and one for pictures.
            configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
            self.pc = RTCPeerConnection(configuration)
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        for transceiver in self.pc.getTransceivers():
            track = transceiver.receiver.track
            if track is None or transceiver.mid in self.sinks:
                continue
            sink = self.sinks[transceiver.mid] = Watcher(self.media, None, None)
            self.media.spawn(sink._look(track) if track.kind == "video" else sink._listen(track))
        return self.pc.localDescription.sdp

    def hang_up(self):
        """Closes the peer connection."""
        if self.pc is not None:
            self.media.run(self.pc.close())


class ReceivingStages(Receiving):
    """The socket of a connection token and its receiving connection, which is for participants in several stages."""

    def __init__(self, media, token):
        super().__init__(media, api.payload(token)["events_url"].removesuffix("/events") + "/connection", token)

    def configure(self, *viewers, connection=None):
        """Wants these from now on: viewers' tokens, each with those it wants. Returns the answer's type and payload."""
        stages = [
            {
                **viewer(token),
                "receive": [{"remoteParticipantId": one, "media": "AUDIO_VIDEO"} for one in participants],
            }
            for token, participants in viewers
        ]
        named = {"connectionId": connection} if connection else {}
        return self.ask("RECEIVE_CONFIGURE", "RECEIVE_CONFIGURED", "RECEIVE_CONFIGURE_ERROR", stages=stages, **named)


def viewer(token):
    """The participant of a token, as messages name it."""
    said = api.payload(token)
    return {"stageId": said["topic"], "participantId": said["jti"]}
