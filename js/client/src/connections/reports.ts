/** The events socket of a session: what the server reports about its connections, and what the session says there. */

import type { LayersWanted } from "./layers.js";
import type { EventsState, Refusal, StageEvents, Trouble } from "./listen.js";

/** How long an offer waits for the socket, over which the server reports the connection's errors. */
const WAIT_MS = 1000;

export type Events = StageEvents;

/** What is called with what the socket says. */
export interface Hearers {
  trouble: (trouble: Trouble) => void;
  layerswanted: (wanted: LayersWanted) => void;
  refused: (refusal: Refusal) => void;
  statechange: (state: EventsState) => void;
}

/** Listens to one events socket at a time. */
export class Reports {
  readonly #source: Events | ((token: string) => Events) | undefined;
  #inUse: Events | undefined;
  readonly #hearers: Record<string, EventListener>;

  constructor(source: Events | ((token: string) => Events) | undefined, hearers: Hearers) {
    this.#source = source;
    this.#hearers = {
      trouble: event => hearers.trouble((event as Event & { trouble: Trouble }).trouble),
      layerswanted: event => hearers.layerswanted((event as Event & { wanted: LayersWanted }).wanted),
      refused: event => hearers.refused((event as Event & { refusal: Refusal }).refusal),
      statechange: () => this.#inUse && hearers.statechange(this.#inUse.state),
    };
  }

  /** Listens to the reports about the connections of a token. Resolves when none is missed any more, or after a while. */
  async listen(token: string) {
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

  /** Sends a message; it is lost while the socket is not open. */
  tell(type: string, payload: object) {
    this.#inUse?.tell(type, payload);
  }
}
