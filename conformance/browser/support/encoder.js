/** FFmpeg as an encoder that speaks RTMP. */

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

import { ROOT } from "./server.js";

const PYTHON = process.env.PYTHON ?? join(ROOT, ".venv", "bin", "python");
const SIZE = "320x180";

/** The FFmpeg of conformance/python. */
export const ffmpeg = () =>
  execFileSync(PYTHON, ["-c", "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"], {
    encoding: "utf8",
  }).trim();

/**
 * Publishes a test picture with a tone.
 * @param {string} url With the stream key.
 */
export function encodeTo(url) {
  const sources = [
    "-f",
    "lavfi",
    "-i",
    `testsrc2=size=${SIZE}:rate=15`,
    "-f",
    "lavfi",
    "-i",
    "sine=frequency=440",
  ];
  const video = "-c:v libx264 -preset ultrafast -tune zerolatency -profile:v baseline -pix_fmt yuv420p -g 15";
  const audio = "-c:a aac -b:a 96k -ac 2 -ar 48000";
  const args = ["-v", "error", "-re", ...sources, ...`${video} ${audio} -f flv`.split(" "), url];
  const child = spawn(ffmpeg(), args, { stdio: "ignore" });
  process.once("exit", () => child.kill("SIGKILL"));
  return {
    process: child,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    },
  };
}
