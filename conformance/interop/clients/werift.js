/** werift, WebRTC in TypeScript: node werift.js publish|watch URL TOKEN VP8|H264 */

import { MediaStreamTrack, RTCPeerConnection, useH264, useOPUS, useVP8 } from "werift";

import { makeMedia, Sight } from "./rtp.js";
import { main, post } from "./support.js";

async function open(role, url, token, codec) {
  const peer = new RTCPeerConnection({
    codecs: { video: [codec === "VP8" ? useVP8() : useH264()], audio: [useOPUS()] },
    iceServers: [],
  });
  const sight = new Sight(codec);
  const direction = role === "publish" ? "sendonly" : "recvonly";
  const tracks = {};
  for (const kind of ["audio", "video"]) {
    tracks[kind] = new MediaStreamTrack({ kind });
    peer.addTransceiver(role === "publish" ? tracks[kind] : kind, { direction });
  }
  peer.onTrack.subscribe(track => {
    track.onReceiveRtp.subscribe(rtp => {
      if (track.kind === "video") sight.takeVideo(rtp.serialize());
      else sight.takeAudio(rtp.serialize());
    });
  });
  await peer.setLocalDescription(await peer.createOffer());
  const { answer, leave } = await post(url, token, peer.localDescription.sdp);
  const isConnected = peer.connectionStateChange.watch(state => state === "connected" || state === "failed");
  await peer.setRemoteDescription({ type: "answer", sdp: answer });
  if (peer.connectionState !== "connected") await isConnected;
  if (peer.connectionState !== "connected") throw new Error(`werift's connection is ${peer.connectionState}`);
  if (role === "publish") {
    const send = kind => ({ payloadType: 96, ssrc: 1, send: packet => tracks[kind].writeRtp(packet) });
    await makeMedia({ codec, video: send("video"), audio: send("audio") });
  }
  return {
    report: role === "watch" ? () => sight.report() : undefined,
    leave: async () => {
      await leave();
      await peer.close();
    },
  };
}

await main(open);
