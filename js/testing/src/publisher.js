/** Somebody who publishes, for tests that need one. */

import { readFileSync } from "node:fs";

import { Child, pause, tail } from "./child.js";
import { ServerError } from "./error.js";

const PUBLISH_MS = 30_000;
const STOP_MS = 5_000;
const LOG_LINES = 20;
const POLL_MS = 20;
let count = 0;

/** A `restage publish` that runs. */
export class Publisher {
  #child;

  /**
   * @param {string[]} command
   * @param {{ environment: { [name: string]: string }, directory: string }} options
   */
  constructor(command, { environment, directory }) {
    count += 1;
    const place = `${directory}/publisher-${count}`;
    /** The participant that publishes. */
    this.participantId = "";
    /** The stage that it publishes into. */
    this.stageArn = "";
    this.#child = new Child(command, { environment, output: `${place}.out`, log: `${place}.log` });
  }

  /** Returns when media flows. */
  async published() {
    const endsAt = Date.now() + PUBLISH_MS;
    let said = "";
    for (;;) {
      said = readFileSync(this.#child.output, "utf8");
      if (said.endsWith("\n")) {
        break;
      }
      if (this.#child.code !== null || Date.now() > endsAt) {
        const why =
          this.#child.code !== null ? `ended with ${this.#child.code}` : `took longer than ${PUBLISH_MS} ms`;
        await this.stop();
        throw new ServerError(`restage publish ${why}:\n${tail(this.#child.log, LOG_LINES)}`);
      }
      await pause(POLL_MS);
    }
    ({ participantId: this.participantId, stageArn: this.stageArn } = JSON.parse(said.split("\n")[0]));
    return this;
  }

  /** Leaves the stage. May be called twice. */
  async stop() {
    await this.#child.end(STOP_MS);
  }

  /** @internal */
  kill() {
    this.#child.kill();
  }
}
