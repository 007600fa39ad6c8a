// @ts-check
/** The events socket of a session: what the server reports about its connections, and what the session says there. */

/** How long an offer waits for the socket, over which the server reports the connection's errors. */
const WAIT_MS = 1000;

/**
 * @typedef {import("./listen.js").StageEvents} Events
 *
 * @typedef {object} Hearers What is called with what the socket says.
 * @property {(trouble: import("./listen.js").Trouble) => void} trouble
 * @property {(wanted: import("./layers.js").LayersWanted) => void} layerswanted
 * @property {(refusal: import("./listen.js").Refusal) => void} refused
 * @property {(state: import("./listen.js").EventsState) => void} statechange
 */

/** Listens to one events socket at a time. */
export class Reports {
  #source;
  /** @type {Events | undefined} */
  #inUse;
  /** @type {Record<string, (event: any) => void>} */
  #hearers;

  /**
   * @param {Events | ((token: string) => Events) | undefined} source
   * @param {Hearers} hearers
   */
  constructor(source, hearers) {
    this.#source = source;
    this.#hearers = {
      trouble: ({ trouble }) => hearers.trouble(trouble),
      layerswanted: ({ wanted }) => hearers.layerswanted(wanted),
      refused: ({ refusal }) => hearers.refused(refusal),
      statechange: () => this.#inUse && hearers.statechange(this.#inUse.state),
    };
  }

  /**
   * Listens to the reports about the connections of a token. Resolves when none is missed any more, or after a while.
   * @param {string} token
   */
  async listen(token) {
    const events = typeof this.#source === "function" ? this.#source(token) : this.#source;
    if (!events || events === this.#inUse) return;
    this.stop();
    this.#inUse = events;
    for (const [type, hearer] of Object.entries(this.#hearers)) events.addEventListener(type, hearer);
    await Promise.race([events.joined, new Promise(resolve => setTimeout(resolve, WAIT_MS))]);
  }

  /** Listens to none. */
  stop() {
    for (const [type, hearer] of Object.entries(this.#hearers))
      this.#inUse?.removeEventListener(type, hearer);
    this.#inUse = undefined;
  }

  /**
   * Sends a message; it is lost while the socket is not open.
   * @param {string} type
   * @param {object} payload
   */
  tell(type, payload) {
    this.#inUse?.tell(type, payload);
  }
}
