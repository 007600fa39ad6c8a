/** Many publishers: the command line's, whose pictures are encoded beforehand. */

import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";

import { ffmpeg } from "./encoder.js";
import { stages } from "./scene.js";
import { ROOT } from "./server.js";

/** Those that publish. @type {Publisher[]} */
const publishers = [];

/** One that publishes, and tries again when a busy server refuses it. */
class Publisher {
  isOver = false;

  /** @param {{ token: string, participantId: string }} made @param {string[]} args Of `restage publish`. */
  constructor({ token, participantId }, args) {
    this.id = participantId;
    this.args = args;
    this.environment = { ...process.env, RESTAGE_TOKEN: token };
    this.begin();
  }

  begin() {
    const binary = process.env.RESTAGE_BINARY ?? join(ROOT, "target", "debug", "restage");
    this.process = spawn(binary, ["publish", ...this.args], { stdio: "ignore", env: this.environment });
    this.process.once("exit", () => this.isOver || this.begin());
  }

  end() {
    this.isOver = true;
    this.process.kill("SIGKILL");
  }
}

/** Ends all that publish. */
export function endPublishers() {
  for (const publisher of publishers.splice(0)) publisher.end();
}

/** @param {string} arn @param {string} userId @param {string[]} args */
async function publish(arn, userId, args) {
  const made = await stages.token(arn, { userId, capabilities: ["PUBLISH"] });
  const publisher = new Publisher(made, args);
  publishers.push(publisher);
  return publisher;
}

/** Publishes a test card, in H.264. @param {string} arn @param {string} userId */
export const publishCard = (arn, userId) => publish(arn, userId, ["--fps", "10", "--video-bps", "50000"]);

/** Publishes a clip of {@link makeClip}, in VP8. @param {string} arn @param {string} userId @param {string[]} clip */
export const publishClip = (arn, userId, clip) => publish(arn, userId, ["--loop", ...clip]);

/** Makes a clip of pictures in VP8 and of sound. Returns its files. @param {string} directory */
export function makeClip(directory) {
  const [pictures, sound] = [join(directory, "clip.ivf"), join(directory, "clip.ogg")];
  const run = (/** @type {string} */ source, /** @type {string} */ encoding, /** @type {string} */ file) =>
    execFileSync(ffmpeg(), `-v error -y -f lavfi -i ${source} -t 6 ${encoding} ${file}`.split(" "));
  run("testsrc2=size=192x108:rate=10", "-c:v libvpx -deadline realtime -b:v 50k -g 20", pictures);
  run("sine=frequency=440", "-c:a libopus -b:a 24k", sound);
  return [pictures, sound];
}
