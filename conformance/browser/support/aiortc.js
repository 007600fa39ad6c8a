/** A publisher outside a browser: conformance/python/support/publish.py. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { ROOT } from "./server.js";

const PYTHON = process.env.PYTHON ?? join(ROOT, ".venv", "bin", "python");

export class ForeignPublisher {
  /**
   * Returns when it publishes.
   * @param {string} token
   * @param {number} identity Shown in its picture.
   * @param {"H264" | "VP8"} codec
   */
  static async start(token, identity, codec) {
    const publisher = new ForeignPublisher();
    publisher.process = spawn(
      PYTHON,
      ["-m", "support.publish", token, "--identity", `${identity}`, "--codec", codec],
      { cwd: join(ROOT, "conformance", "python"), stdio: ["pipe", "pipe", "inherit"] },
    );
    const lines = createInterface({ input: publisher.process.stdout });
    const [line] = await Promise.race([
      once(lines, "line"),
      once(publisher.process, "exit").then(([code]) => {
        throw new Error(`the aiortc publisher ended with ${code}`);
      }),
    ]);
    if (line !== "published") throw new Error(`the aiortc publisher said ${line}`);
    return publisher;
  }

  async stop() {
    const exit = once(this.process, "exit");
    this.process.stdin.end();
    await exit;
  }
}
