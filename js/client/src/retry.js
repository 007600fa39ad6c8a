// @ts-check
/** When to try again after a connection was lost. */

/** A server that restarts is back within seconds: so long the attempts follow closely. */
const QUICK_FOR_MS = 10_000;
/** Cut by up to half at random, so that those who lost the same server do not come back at once. */
const QUICK_MS = 500;

/** The pauses between attempts: a quarter to half a second for ten seconds, then doubled up to a longest one. */
export class Retry {
  #longestMs;
  #pauseMs = QUICK_MS;
  /** @type {number | undefined} */
  #beganAt;

  /** @param {number} longestMs */
  constructor(longestMs) {
    this.#longestMs = longestMs;
  }

  /** It was well until now. */
  reset() {
    this.#beganAt = undefined;
    this.#pauseMs = QUICK_MS;
  }

  /** How many milliseconds to wait before the next attempt. */
  next() {
    const now = performance.now();
    this.#beganAt ??= now;
    if (now - this.#beganAt > QUICK_FOR_MS) this.#pauseMs = Math.min(this.#pauseMs * 2, this.#longestMs);
    return this.#pauseMs * (1 - Math.random() / 2);
  }
}
