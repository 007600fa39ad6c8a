/** libdatachannel, the stack of OBS, in Node: node datachannel.js publish|watch URL TOKEN VP8|H264 */

import { Audio, PeerConnection, RtcpReceivingSession, Video } from "node-datachannel";

import { makeMedia, Sight } from "./rtp.js";
import { main, post } from "./support.js";

const VIDEO = { payloadType: 96, ssrc: 42 };
const AUDIO = { payloadType: 111, ssrc: 43 };

function addTracks(peer, role, codec) {
  const direction = role === "publish" ? "SendOnly" : "RecvOnly";
  const video = new Video("video", direction);
  if (codec === "VP8") video.addVP8Codec(VIDEO.payloadType);
  else video.addH264Codec(VIDEO.payloadType);
  const audio = new Audio("audio", direction);
  audio.addOpusCodec(AUDIO.payloadType);
  if (role === "publish") {
    video.addSSRC(VIDEO.ssrc, "interop", "stream", "video");
    audio.addSSRC(AUDIO.ssrc, "interop", "stream", "audio");
  }
  return { video: peer.addTrack(video), audio: peer.addTrack(audio) };
}

async function open(role, url, token, codec) {
  const peer = new PeerConnection("interop", { iceServers: [] });
  const tracks = addTracks(peer, role, codec);
  const sight = new Sight(codec);
  if (role === "watch") {
    for (const [kind, track] of Object.entries(tracks)) {
      track.setMediaHandler(new RtcpReceivingSession());
      track.onMessage(packet => (kind === "video" ? sight.takeVideo(packet) : sight.takeAudio(packet)));
    }
  }
  const isGathered = new Promise(resolve => {
    peer.onGatheringStateChange(state => state === "complete" && resolve(undefined));
  });
  const isConnected = new Promise((resolve, reject) => {
    peer.onStateChange(state => {
      if (state === "connected") resolve(undefined);
      if (state === "failed") reject(new Error("libdatachannel's connection is failed"));
    });
  });
  peer.setLocalDescription();
  await isGathered;
  const { answer, leave } = await post(url, token, peer.localDescription().sdp);
  peer.setRemoteDescription(answer, "answer");
  await isConnected;
  if (role === "publish") {
    const via = track => ({ send: packet => track.isOpen() && track.sendMessageBinary(packet) });
    const video = { ...VIDEO, ...via(tracks.video) };
    await makeMedia({ codec, video, audio: { ...AUDIO, ...via(tracks.audio) } });
  }
  return {
    report: role === "watch" ? () => sight.report() : undefined,
    leave: async () => {
      await leave();
      peer.close();
    },
  };
}

await main(open);
