// @ts-check
/**
 * A customer's page: publishes the camera or watches a participant, as its fragment says, with nothing but js/client.
 * The test uses the functions on `window`.
 */

import { decodeToken, listen, publish, watch } from "./client/connections/index.js";
import { StatsReader } from "./client/connections/stats.js";

const wishes = new URLSearchParams(location.hash.slice(1));
const video = /** @type {HTMLVideoElement} */ (document.getElementById("video"));
// Chromium does not decode audio for a muted element, and the test needs the audio.
video.muted = false;
const token = wishes.get("token") ?? "";
const stats = new StatsReader();
/** Only where the test asks for it. */
const events = wishes.get("events") ? listen(token) : undefined;
/** What was heard on the events socket. @type {{ speakers: string[], mutes: any[], stats: any[] }} */
const heard = { speakers: [], mutes: [], stats: [] };
events?.addEventListener("speakerchange", () => heard.speakers.push(events.speaker ?? ""));
events?.addEventListener("mutechange", event => heard.mutes.push(/** @type {any} */ (event).mute));
events?.addEventListener("stats", event => heard.stats.push(/** @type {any} */ (event).stats));

/** What this page publishes. @type {MediaStream | undefined} */
let camera;

/** The picture of conformance/python/support/card.py, as far as it identifies the publisher. */
const BLOCK = 20;
const IDENTITY_BITS = 8;

/** When the last picture was shown, in this page's clock, and how many there were. */
let lastFrameAt = 0;
let frames = 0;

function onFrame() {
  lastFrameAt = performance.now();
  frames += 1;
  video.requestVideoFrameCallback(onFrame);
}

/** The identity in the picture, from the first eight blocks. */
function readIdentity() {
  const canvas = new OffscreenCanvas(320, 240);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(video, 0, 0, 320, 240);
  let identity = 0;
  for (let bit = 0; bit < IDENTITY_BITS; bit += 1) {
    const [red, green, blue] = context.getImageData(bit * BLOCK + BLOCK / 2, BLOCK / 2, 1, 1).data;
    identity = identity * 2 + (red + green + blue > 3 * 128 ? 1 : 0);
  }
  return identity;
}

const simulcast = wishes.get("simulcast") !== null;

/** Lets the offers of this page have only these codecs: those of a viewer that has no others. */
function offerOnly(/** @type {string[]} */ names) {
  const { addTransceiver } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.addTransceiver = function (kind, init) {
    const transceiver = addTransceiver.call(this, kind, init);
    const codecs = RTCRtpReceiver.getCapabilities(String(kind))?.codecs ?? [];
    const kept = codecs.filter(codec => names.includes(codec.mimeType.split("/")[1]));
    transceiver.setCodecPreferences(kept);
    return transceiver;
  };
}

/** Which share of the received packets of sound the browser did not need: with redundancy about all of them bring one. */
async function readRepeated() {
  for (const report of (await session.connection?.getStats())?.values() ?? []) {
    if (report.type === "inbound-rtp" && report.kind === "audio" && report.packetsReceived > 100) {
      return { share: report.packetsDiscarded / report.packetsReceived };
    }
  }
  return undefined;
}

async function openSession() {
  const only = wishes.get("only");
  if (only) offerOnly(only.split(","));
  if (wishes.get("role") === "watch") {
    video.requestVideoFrameCallback(onFrame);
    return watch(`${wishes.get("url")}/whep/${wishes.get("participant")}`, token, video, { events });
  }
  // libwebrtc sends three layers only of pictures of at least this size.
  const size = simulcast
    ? { width: 960, height: 540, frameRate: 10 }
    : { width: 640, height: 360, frameRate: 20 };
  camera = await navigator.mediaDevices.getUserMedia({ audio: true, video: size });
  const videoCodec = /** @type {"H264" | "VP8" | "VP9" | "AV1"} */ (wishes.get("codec") ?? "H264");
  return publish(wishes.get("whip") ?? decodeToken(token).whip_url, token, camera, {
    videoCodec,
    redundantAudio: wishes.has("redundant"),
    simulcast,
    events,
  });
}

/** The layers that a publisher sends: pictures so far, their height, and whether it is to send them. */
async function readLayers() {
  /** @type {Record<string, { frames: number, height: number, isActive: boolean }>} */
  const layers = {};
  for (const report of (await session.connection?.getStats())?.values() ?? []) {
    if (report.type === "outbound-rtp" && report.rid) {
      layers[report.rid] = {
        frames: report.framesSent ?? 0,
        height: report.frameHeight ?? 0,
        isActive: report.active ?? false,
      };
    }
  }
  return layers;
}

const videoSender = () => session.connection?.getSenders().find(sender => sender.track?.kind !== "audio");

/** Sends these layers alone. */
async function setLayers(/** @type {string[]} */ names) {
  const sender = videoSender();
  const parameters = sender?.getParameters();
  if (!sender || !parameters) return;
  for (const encoding of parameters.encodings) encoding.active = names.includes(encoding.rid ?? "");
  await sender.setParameters(parameters);
}

/** Sends no pictures at all, or sends them again. */
async function setCamera(/** @type {boolean} */ isOn) {
  await videoSender()?.replaceTrack(isOn ? (camera?.getVideoTracks()[0] ?? null) : null);
}

/** What a publisher's browser has learnt from RTCP reports. */
async function readFeedback() {
  if (!session.connection) return undefined;
  /** @type {{ availableBitrate: number, roundTrips: Record<string, number>, lost: Record<string, number> }} */
  const feedback = { availableBitrate: 0, roundTrips: {}, lost: {} };
  for (const report of (await session.connection.getStats()).values()) {
    // Several pairs may be nominated one after the other, and only the one in use has a rate.
    if (report.type === "candidate-pair") {
      feedback.availableBitrate = Math.max(feedback.availableBitrate, report.availableOutgoingBitrate ?? 0);
    }
    if (report.type === "remote-inbound-rtp") {
      feedback.roundTrips[report.kind] = report.roundTripTimeMeasurements ?? 0;
      feedback.lost[report.kind] = report.packetsLost ?? 0;
    }
  }
  return feedback;
}

const session = await openSession();
/** The codes of all errors and warnings so far. @type {string[]} */
const told = [];
session.addEventListener("error", () => told.push(session.error?.code ?? ""));
session.addEventListener("warning", () => told.push(session.warning?.code ?? ""));
Object.assign(window, {
  heard,
  readFeedback,
  readLayers,
  setCamera,
  setLayers,
  wish: (/** @type {object} */ payload) => events?.tell("SUBSCRIBE_CONFIGURE", payload),
  askForStats: (/** @type {number} */ everyMs) => events?.askForStats(everyMs),
  setMuted: (/** @type {"audio" | "video"} */ kind, /** @type {boolean} */ isMuted) =>
    session.setMuted(kind, isMuted),
  readEnabled: () => camera?.getTracks().map(track => track.enabled),
  readMembers: () => events?.participants,
  readIdentity,
  readRepeated,
  readStats: async () => (session.connection ? stats.read(session.connection) : undefined),
  readState: () => ({
    state: session.state,
    error: session.error?.message,
    code: session.error?.code,
    told,
    frames,
    now: performance.now(),
    lastFrameAt,
  }),
  leave: () => session.close(),
});
