// @ts-check
/** Publishes a drawn picture with a clock and a soft tone, as an example for the console. */

import { decodeToken, publish } from "./client/connections/index.js";

const wishes = new URLSearchParams(location.hash.slice(1));
const token = wishes.get("token") ?? "";
const name = wishes.get("name") ?? "";
const canvas = /** @type {HTMLCanvasElement} */ (document.getElementById("card"));
const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
const FRAMES_PER_SECOND = 20;

/** @param {number} seconds */
function draw(seconds) {
  const { width, height } = canvas;
  const sky = context.createLinearGradient(0, 0, width, height);
  sky.addColorStop(0, "#1b2a4a");
  sky.addColorStop(0.55, "#7a3b69");
  sky.addColorStop(1, "#ff8a6b");
  context.fillStyle = sky;
  context.fillRect(0, 0, width, height);
  for (let ring = 0; ring < 5; ring += 1) {
    const radius = 120 + 70 * ring + 30 * Math.sin(seconds * 1.6 + ring);
    context.strokeStyle = `rgb(255 255 255 / ${0.28 - 0.04 * ring})`;
    context.lineWidth = 10;
    context.beginPath();
    context.arc(width / 2, height / 2, radius, seconds + ring, seconds + ring + Math.PI * 1.5);
    context.stroke();
  }
  context.fillStyle = "#fff";
  context.textAlign = "center";
  context.font = "700 110px Liberation Sans, sans-serif";
  context.fillText(name, width / 2, height / 2 + 10);
  context.font = "500 54px Liberation Mono, monospace";
  context.fillText(new Date().toISOString().slice(11, 21), width / 2, height / 2 + 100);
}

function makeTone() {
  const audio = new AudioContext();
  const tone = new OscillatorNode(audio, { frequency: 330 });
  const volume = new GainNode(audio, { gain: 0.25 });
  const swell = new OscillatorNode(audio, { frequency: 0.7 });
  swell.connect(new GainNode(audio, { gain: 0.15 })).connect(volume.gain);
  const out = new MediaStreamAudioDestinationNode(audio);
  tone.connect(volume).connect(out);
  tone.start();
  swell.start();
  return out.stream.getAudioTracks();
}

setInterval(() => draw(performance.now() / 1000), 1000 / FRAMES_PER_SECOND);
draw(0);
const stream = new MediaStream([...canvas.captureStream(FRAMES_PER_SECOND).getVideoTracks(), ...makeTone()]);
publish(decodeToken(token).whip_url, token, stream, { videoCodec: "H264", maxBitrate: 1_500_000 });
