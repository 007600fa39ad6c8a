// @ts-check
/** One attempt of a session to connect, and what is known of its connection. */

import { LayerSwitch } from "./layers.js";
import { restartIce } from "./restart.js";

/** ICE restarts that are tried one after the other: a request fails at the moment in which the network changes. */
const RESTART_TRIES = 2;
/** Reports kept of a connection whose own address is not known yet; further ones are dropped. */
const EARLY_MAX = 4;

/**
 * @typedef {import("./errors.js").StageError} StageError
 * @typedef {import("./layers.js").LayersWanted} LayersWanted
 * @typedef {import("./listen.js").Trouble} Trouble
 * @typedef {import("./signalling.js").Resource} Resource
 */

/** The session replaces it when it is lost. */
export class Attempt {
  connection;
  /** @type {Resource | undefined} Once the server has answered. */
  resource;
  answer = "";
  /** Whether the server was reached over UDP. */
  hadPath = false;
  wasLive = false;
  /** @type {import("./silence.js").Silence | undefined} While the connection is live. */
  silence;
  /** How often the server was told again what is muted. */
  toldAgain = 0;

  #isRestarting = false;
  #layers;
  /** Reports that arrived before the resource was known. @type {Trouble[]} */
  #early = [];
  /** The newest that arrived before the resource was known. @type {LayersWanted | undefined} */
  #earlyLayers;

  /** @param {RTCPeerConnection} connection */
  constructor(connection) {
    this.connection = connection;
    this.#layers = new LayerSwitch(connection);
  }

  /**
   * The server has answered. Returns the warnings about the connection that came before.
   * @param {Resource} resource
   * @param {string} answer
   */
  onAnswer(resource, answer) {
    this.resource = resource;
    this.answer = answer;
    if (this.#earlyLayers) this.sendLayers(this.#earlyLayers);
    return this.#early.flatMap(trouble => this.warningIn(trouble) ?? []);
  }

  /**
   * What the server's report says about this connection, as long as that goes on.
   * @param {Trouble} trouble
   * @returns {StageError | undefined}
   */
  warningIn(trouble) {
    if (!this.resource) {
      if (this.#early.length < EARLY_MAX) this.#early.push(trouble);
      return undefined;
    }
    const { error, session } = trouble;
    // When the connection is over, it ends by itself, and the session's URL has the reason.
    return error.isOver || session !== this.resource.id ? undefined : error;
  }

  /** @param {LayersWanted} wanted */
  sendLayers(wanted) {
    if (!this.resource) this.#earlyLayers = wanted;
    else if (wanted.session === this.resource.id) this.#layers.set(wanted.layers);
  }

  /**
   * Looks for another path to the same session of the server, if the connection was live. Returns whether it is looked for.
   * @param {() => boolean} isInUse
   */
  async restart(isInUse) {
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
