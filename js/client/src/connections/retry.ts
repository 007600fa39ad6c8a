/** Waits between attempts to reconnect. */

/** How long attempts follow closely: a server that restarts is back within seconds. */
const QUICK_FOR_MS = 10_000;
/** Shortened by up to half at random, so that the clients of one server do not all reconnect at once. */
const QUICK_MS = 500;

/** The waits between attempts: a quarter to half a second for ten seconds, then doubled up to the longest one. */
export class Retry {
  #longestMs;
  #pauseMs = QUICK_MS;
  #beganAt: number | undefined;

  constructor(longestMs: number) {
    this.#longestMs = longestMs;
  }

  /** Starts again, because a connection was live until now. */
  reset() {
    this.#beganAt = undefined;
    this.#pauseMs = QUICK_MS;
  }

  /** The wait before the next attempt, in milliseconds. */
  next() {
    const now = performance.now();
    this.#beganAt ??= now;
    if (now - this.#beganAt > QUICK_FOR_MS) this.#pauseMs = Math.min(this.#pauseMs * 2, this.#longestMs);
    return this.#pauseMs * (1 - Math.random() / 2);
  }
}
