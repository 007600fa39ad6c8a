/**
 * Notices that the server is gone. A process that was killed sends nothing, and browsers need about ten seconds to
 * notice a dead path; asking the server over HTTP is faster.
 */

import type { Resource } from "./signalling.js";

/**
 * Interval at which the browser's counters are read. The server is asked when they have not changed for several
 * readings.
 */
const READ_MS = 750;
const STILL_MAX = 2;
/** Wait before asking again about a session that exists. */
const LOOK_AGAIN_MS = 4000;

/** Watches one live connection. */
export class Silence {
  readonly #connection: RTCPeerConnection;
  readonly #resource: Resource;
  #onGone;
  #onCutOff;
  #bytesReceived = -1;
  #still = 0;
  #lookedAt = -Infinity;
  #isLooking = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param onGone Called once, when the server answers that the session does not exist, or is down.
   * @param onCutOff Called when nothing arrives, and the server still has the session.
   */
  constructor(connection: RTCPeerConnection, resource: Resource, onGone: () => void, onCutOff: () => void) {
    this.#connection = connection;
    this.#resource = resource;
    this.#onGone = onGone;
    this.#onCutOff = onCutOff;
    this.#timer = setInterval(() => this.#read(), READ_MS);
  }

  /** Stops watching. */
  stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #read() {
    const bytes = received(await this.#connection.getStats().catch(() => new Map()));
    if (bytes !== this.#bytesReceived) {
      this.#bytesReceived = bytes;
      this.#still = 0;
      this.#lookedAt = -Infinity;
      return;
    }
    this.#still += 1;
    if (this.#still < STILL_MAX || performance.now() - this.#lookedAt < LOOK_AGAIN_MS) return;
    if ((await this.look()) && this.#still >= STILL_MAX) this.#onCutOff();
  }

  /** Asks the server now, because something else indicates that it is gone. Returns whether it still has the session. */
  async look() {
    if (!this.#timer || this.#isLooking) return false;
    this.#isLooking = true;
    this.#lookedAt = performance.now();
    const isThere = await this.#resource.isThere();
    this.#isLooking = false;
    if (!this.#timer) return false;
    if (isThere) return true;
    this.stop();
    this.#onGone();
    return false;
  }
}

/** What is read of the browser's statistics. */
interface Counters {
  type: string;
  bytesReceived?: number;
  responsesReceived?: number;
}

/** The bytes received from the server so far, of media and everything else. */
function received(report: Iterable<[string, Counters]>) {
  let sum = 0;
  for (const [, entry] of report) {
    if (entry.type === "transport") sum += entry.bytesReceived ?? 0;
    if (entry.type === "candidate-pair") sum += (entry.bytesReceived ?? 0) + (entry.responsesReceived ?? 0);
  }
  return sum;
}
