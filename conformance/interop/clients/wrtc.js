/** libwebrtc in Node, with its own encoders and decoders: node wrtc.js publish|watch URL TOKEN VP8|VP9|AV1 */

import wrtc from "@roamhq/wrtc";

import { main, post } from "./support.js";

const { MediaStream, RTCPeerConnection, RTCRtpReceiver } = wrtc;
const { RTCAudioSink, RTCAudioSource, RTCVideoSink, RTCVideoSource } = wrtc.nonstandard;

const WIDTH = 320;
const HEIGHT = 240;
const FRAME_MS = 66;
const SAMPLE_RATE = 48_000;
const SAMPLES = 480;
const AUDIO_MS = 10;

/** A ramp that moves, as I420. @param {number} count */
function picture(count) {
  const data = new Uint8ClampedArray((WIDTH * HEIGHT * 3) / 2).fill(128);
  for (let at = 0; at < WIDTH * HEIGHT; at += 1) {
    data[at] = ((at % WIDTH) + Math.floor(at / WIDTH) + 4 * count) % 256;
  }
  return { width: WIDTH, height: HEIGHT, data };
}

/** Ten milliseconds of a tone. @param {number} count */
function tone(count) {
  const samples = Int16Array.from({ length: SAMPLES }, (_, at) => {
    return 8000 * Math.sin((2 * Math.PI * 440 * (count * SAMPLES + at)) / SAMPLE_RATE);
  });
  return { samples, sampleRate: SAMPLE_RATE, bitsPerSample: 16, channelCount: 1, numberOfFrames: SAMPLES };
}

/** Lets the offer have only this codec of video. */
function restrict(transceiver, codec) {
  const { codecs } = RTCRtpReceiver.getCapabilities("video");
  const wanted = [`video/${codec}`, "video/rtx"];
  transceiver.setCodecPreferences(codecs.filter(one => wanted.includes(one.mimeType)));
}

function addSources(peer, codec) {
  const video = new RTCVideoSource();
  const audio = new RTCAudioSource();
  const tracks = [audio.createTrack(), video.createTrack()];
  const stream = new MediaStream(tracks);
  for (const track of tracks) {
    const transceiver = peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    if (track.kind === "video") restrict(transceiver, codec);
  }
  let [pictures, tones] = [0, 0];
  setInterval(() => video.onFrame(picture(pictures++)), FRAME_MS);
  setInterval(() => audio.onData(tone(tones++)), AUDIO_MS);
}

function addSinks(peer, seen, codec) {
  peer.addTransceiver("audio", { direction: "recvonly" });
  restrict(peer.addTransceiver("video", { direction: "recvonly" }), codec);
  // A sink without a reference is garbage-collected and stops counting.
  const sinks = [];
  let last = Buffer.alloc(0);
  peer.ontrack = ({ track }) => {
    const sink = track.kind === "video" ? new RTCVideoSink(track) : new RTCAudioSink(track);
    sinks.push(sink);
    sink.onframe = ({ frame }) => {
      const shown = Buffer.from(frame.data);
      seen.frames += 1;
      if (last.length > 0 && !shown.equals(last)) seen.changes += 1;
      last = shown;
    };
    sink.ondata = ({ samples }) => {
      if (samples.some(sample => Math.abs(sample) > 20)) seen.sounds += 1;
    };
  };
  return sinks;
}

function connected(peer) {
  return new Promise((resolve, reject) => {
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === "connected") resolve(undefined);
      if (peer.connectionState === "failed") reject(new Error("libwebrtc's connection is failed"));
    };
  });
}

async function open(role, url, token, codec) {
  const peer = new RTCPeerConnection({ iceServers: [] });
  const seen = { frames: 0, changes: 0, sounds: 0 };
  const sinks = role === "publish" ? addSources(peer, codec) : addSinks(peer, seen, codec);
  const isGathered = new Promise(resolve => {
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve(undefined);
  });
  await peer.setLocalDescription(await peer.createOffer());
  await isGathered;
  const { answer, leave } = await post(url, token, peer.localDescription.sdp);
  const isConnected = connected(peer);
  await peer.setRemoteDescription({ type: "answer", sdp: answer });
  await isConnected;
  return {
    report: sinks && (() => seen),
    leave: async () => {
      await leave();
      peer.close();
    },
  };
}

await main(open);
