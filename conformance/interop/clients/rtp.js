/** RTP for stacks without codecs: FFmpeg makes it for publishing, and received packets are parsed. */

import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";

import { say } from "./support.js";

const HEADER = 12;
const FFMPEG = process.env.INTEROP_FFMPEG ?? "ffmpeg";

const ENCODERS = {
  VP8: "-c:v libvpx -deadline realtime -cpu-used 8 -error-resilient 1",
  H264: "-c:v libx264 -profile:v baseline -preset ultrafast -tune zerolatency -x264-params repeat-headers=1",
};

async function listen(onPacket) {
  const socket = createSocket("udp4", onPacket).bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket.address().port;
}

/**
 * A moving picture and a tone as RTP packets, made by FFmpeg.
 * @param {{ codec: string, video: { payloadType: number, ssrc: number, send: (packet: Buffer) => void },
 *           audio: { payloadType: number, ssrc: number, send: (packet: Buffer) => void } }} wishes
 */
export async function makeMedia({ codec, video, audio }) {
  const [videoPort, audioPort] = [await listen(video.send), await listen(audio.send)];
  const rtp = ({ payloadType, ssrc }, port) =>
    `-f rtp -payload_type ${payloadType} -ssrc ${ssrc} rtp://127.0.0.1:${port}?pkt_size=1200`;
  const words = [
    "-hide_banner -loglevel error -nostdin",
    "-re -f lavfi -i testsrc2=size=320x240:rate=15 -re -f lavfi -i sine=frequency=440:sample_rate=48000",
    `-map 0 -pix_fmt yuv420p ${ENCODERS[codec]} -b:v 400k -g 15 ${rtp(video, videoPort)}`,
    `-map 1 -c:a libopus -ac 2 ${rtp(audio, audioPort)}`,
  ];
  const ffmpeg = spawn(FFMPEG, words.join(" ").split(" "), { stdio: ["ignore", "ignore", "inherit"] });
  ffmpeg.once("error", error => say({ failed: `FFmpeg: ${error}` }));
  process.once("exit", () => ffmpeg.kill("SIGKILL"));
}

/** Where the payload begins: after contributing sources and the header extension. @param {Buffer} packet */
function payloadOf(packet) {
  let at = HEADER + 4 * (packet[0] & 0x0f);
  if (packet[0] & 0x10) at += 4 + 4 * packet.readUInt16BE(at + 2);
  const padding = packet[0] & 0x20 ? packet[packet.length - 1] : 0;
  return packet.subarray(at, packet.length - padding);
}

/** Whether a key frame begins in this payload (RFC 7741, section 4). @param {Buffer} payload */
function isVp8Key(payload) {
  let at = 1;
  if (payload[0] & 0x80) {
    const extended = payload[1];
    at = 2;
    if (extended & 0x80) at += payload[at] & 0x80 ? 2 : 1;
    if (extended & 0x40) at += 1;
    if (extended & 0x30) at += 1;
  }
  const isBegin = (payload[0] & 0x17) === 0x10;
  return isBegin && at < payload.length && (payload[at] & 1) === 0;
}

const IDR = 5;
const STAP_A = 24;
const FU_A = 28;

/** Whether a slice of an IDR picture is in this payload (RFC 6184, section 5). @param {Buffer} payload */
function isH264Key(payload) {
  const type = payload[0] & 0x1f;
  if (type === FU_A) return (payload[1] & 0x9f) === (0x80 | IDR);
  if (type !== STAP_A) return type === IDR;
  for (let at = 1; at + 2 < payload.length; at += 2 + payload.readUInt16BE(at)) {
    if ((payload[at + 2] & 0x1f) === IDR) return true;
  }
  return false;
}

/** Counts complete pictures from the first key frame on, and audio packets. */
export class Sight {
  frames = 0;
  changes = 0;
  keyFrames = 0;
  sounds = 0;
  #picture = "";
  #last = "";

  /** @param {string} codec */
  constructor(codec) {
    this.isKey = codec === "VP8" ? isVp8Key : isH264Key;
  }

  /** @param {Buffer} packet */
  takeVideo(packet) {
    const payload = payloadOf(packet);
    if (payload.length === 0) return;
    if (this.isKey(payload)) this.keyFrames += 1;
    this.#picture += payload.toString("latin1");
    const isEnd = (packet[1] & 0x80) !== 0;
    if (!isEnd) return;
    if (this.keyFrames > 0) {
      this.frames += 1;
      if (this.#picture !== this.#last) this.changes += 1;
    }
    this.#last = this.#picture;
    this.#picture = "";
  }

  /** @param {Buffer} packet */
  takeAudio(packet) {
    if (payloadOf(packet).length > 0) this.sounds += 1;
  }

  report() {
    const { frames, changes, keyFrames, sounds } = this;
    return { frames, changes, keyFrames, sounds };
  }
}
