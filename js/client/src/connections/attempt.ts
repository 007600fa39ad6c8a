/** One attempt of a session to connect, and what is known of its connection. */

import type { StageError } from "./errors.js";
import type { LayersWanted } from "./layers.js";
import { LayerSwitch } from "./layers.js";
import type { Trouble } from "./listen.js";
import { restartIce } from "./restart.js";
import type { Resource } from "./signalling.js";
import type { Silence } from "./silence.js";

/** ICE restarts that are tried one after the other: a request fails at the moment in which the network changes. */
const RESTART_TRIES = 2;
/** Reports kept of a connection whose own address is not known yet; further ones are dropped. */
const EARLY_MAX = 4;

/** The session replaces it when it is lost. */
export class Attempt {
  connection;
  /** Once the server has answered. */
  resource: Resource | undefined;
  answer = "";
  /** Whether the server was reached over UDP. */
  hadPath = false;
  wasLive = false;
  /** While the connection is live. */
  silence: Silence | undefined;
  /** How often the server was told again what is muted. */
  toldAgain = 0;

  #isRestarting = false;
  readonly #layers: LayerSwitch;
  /** Reports that arrived before the resource was known. */
  #early: Trouble[] = [];
  /** The newest that arrived before the resource was known. */
  #earlyLayers: LayersWanted | undefined;

  constructor(connection: RTCPeerConnection) {
    this.connection = connection;
    this.#layers = new LayerSwitch(connection);
  }

  /** The server has answered. Returns the warnings about the connection that came before. */
  onAnswer(resource: Resource, answer: string) {
    this.resource = resource;
    this.answer = answer;
    if (this.#earlyLayers) this.sendLayers(this.#earlyLayers);
    return this.#early.flatMap(trouble => this.warningIn(trouble) ?? []);
  }

  /** What the server's report says about this connection, as long as that goes on. */
  warningIn(trouble: Trouble): StageError | undefined {
    if (!this.resource) {
      if (this.#early.length < EARLY_MAX) this.#early.push(trouble);
      return undefined;
    }
    const { error, session } = trouble;
    // When the connection is over, it ends by itself, and the session's URL has the reason.
    return error.isOver || session !== this.resource.id ? undefined : error;
  }

  sendLayers(wanted: LayersWanted) {
    if (!this.resource) this.#earlyLayers = wanted;
    else if (wanted.session === this.resource.id) this.#layers.set(wanted.layers);
  }

  /** Looks for another path to the same session of the server, if the connection was live. Returns whether it is looked for. */
  async restart(isInUse: () => boolean) {
    if (!this.resource || !this.wasLive || this.#isRestarting) return false;
    this.#isRestarting = true;
    let isRestarted = false;
    for (let tries = 0; tries < RESTART_TRIES && isInUse() && !isRestarted; tries++) {
      try {
        this.answer = await restartIce(this.connection, this.resource, this.answer);
        isRestarted = true;
      } catch {
        // The connection heals by itself, or is replaced.
      }
    }
    this.#isRestarting = false;
    return isRestarted;
  }
}
