// @ts-check
/**
 * Publishes to a restage server and watches its participants from a browser: WHIP (RFC 9725) to send, WHEP
 * (draft-ietf-wish-whep) to receive. No dependencies.
 *
 * ```js
 * import { decodeToken, publish, watch } from "./client.js";
 *
 * const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
 * const outgoing = publish(decodeToken(token).whip_url, token, stream);
 * const incoming = watch(`${whepUrl}/${participantId}`, otherToken, document.querySelector("video"));
 * incoming.addEventListener("statechange", () => console.log(incoming.state));
 * incoming.addEventListener("error", () => console.log(incoming.error.code, incoming.error.message));
 * ```
 */

import { errorEvent, StageError } from "./errors.js";
import { encodingsOf, LayerSwitch, preferRedundancy, restrict } from "./layers.js";
import { noMediaPath, notSecured, udpCandidates } from "./path.js";
import { restartIce } from "./restart.js";
import { Retry } from "./retry.js";
import { offer, Trickle } from "./signalling.js";
import { Silence } from "./silence.js";

export { StageError } from "./errors.js";
export { listen, StageEvents } from "./listen.js";
export { decodeToken, trickleFragment } from "./signalling.js";

/**
 * A connection that is "disconnected" for this long, and this long after an ICE restart, is replaced. ICE often recovers
 * sooner.
 */
const HEAL_MS = 2000;
/** ICE restarts that are tried one after the other: a request fails at the moment in which the network changes. */
const RESTART_TRIES = 2;
/** The longest wait between attempts to reconnect. */
const RETRY_LAST_MS = 4000;
/** Endings for which no message is needed: those of the network, and those after which the same participant continues. */
const WORDLESS = ["SILENT", "CLOSED", "REPLACED", "SERVER_RESTART"];
/**
 * A connection that is not established within this time after its answer has no media path. The server waits 15
 * seconds.
 */
const PATH_TIMEOUT_MS = 10_000;
/** After this many attempts in a row without a media path, the caller decides whether to try again. */
const PATH_TRIES_MAX = 4;
/** How long an offer waits for the events socket, over which the server reports the connection's errors. */
const EVENTS_TIMEOUT_MS = 1000;
/** Reports kept of a connection whose own address is not known yet; further ones are dropped. */
const EARLY_MAX = 4;
/** How long to wait for the server's reason why an attempt failed. */
const REASON_TIMEOUT_MS = 2000;

/** @type {RTCConfiguration} */
const CONFIGURATION = { bundlePolicy: "max-bundle" };

/**
 * @typedef {import("./errors.js").ErrorCategory} ErrorCategory
 * @typedef {import("./listen.js").Trouble} Trouble
 * @typedef {import("./signalling.js").TokenPayload} TokenPayload
 * @typedef {import("./signalling.js").Resource} Resource
 *
 * @typedef {"connecting" | "live" | "waiting" | "reconnecting" | "unreachable" | "failed" | "closed"} SessionState
 * - `connecting`: first attempt under way
 * - `live`: media can flow
 * - `waiting`: (watching only) the participant is not publishing; the session tries until it is
 * - `reconnecting`: the connection was lost and is being replaced
 * - `unreachable`: the server answers, but there is no media path to it; a few more attempts follow
 * - `failed`: the server refused permanently, or there was no media path each time; see `error`, and {@link
 * MediaSession.retry}
 * - `closed`: by {@link MediaSession.close}
 *
 * @typedef {string | (() => string | Promise<string>)} TokenSource A participant token, or a function that fetches one
 * for each connection, for sessions that outlive a token.
 *
 * @typedef {import("./listen.js").StageEvents} Events
 * @typedef {Events | ((token: string) => Events)} EventsSource The result of {@link listen} for the session's
 * token, or a function that returns it for each token.
 *
 * @typedef {object} SessionOptions
 * @property {EventsSource} [events] Reports to the session what only the server knows, such as a codec that this
 * browser lacks.
 *
 * @typedef {object} PublishOptions
 * @property {"H264" | "VP8" | "VP9" | "AV1" | "H265"} [videoCodec] The only codec to send, if the browser has it; if absent,
 * browser and server choose. Viewers without it get CODEC_MISMATCH.
 * @property {boolean} [redundantAudio] Each packet of sound repeats the one before, where the browser can, so that what is lost
 * comes again. It takes twice the bits.
 * @property {number} [maxBitrate] Of the video, in bits per second; with `simulcast` of each layer.
 * @property {boolean} [simulcast] Sends three layers. With `events`, those that nobody wants are not sent.
 *
 * @typedef {object} Attempt One attempt to connect.
 * @property {RTCPeerConnection} connection
 * @property {Resource} [resource]
 * @property {string} answer
 * @property {boolean} hadPath Whether the server was reached over UDP.
 * @property {boolean} wasLive
 * @property {boolean} isRestarting Whether an ICE restart is under way.
 * @property {Silence} [silence] While the connection is live.
 * @property {Trouble[]} early Reports that arrived before the resource was known.
 * @property {LayerSwitch} layers
 * @property {import("./layers.js").LayersWanted} [earlyLayers] The newest that arrived before the resource was known.
 */

/**
 * One publication or subscription that reconnects by itself. Fires `statechange`; `error` at each failed attempt
 * (see `error`); `warning` when the connection carries less than was published (see `warning`); and, for a
 * subscription, `streamchange` when a new connection has a new stream.
 */
export class MediaSession extends EventTarget {
  /** @type {SessionState} */
  state = "connecting";
  /** @type {StageError | undefined} Why the last attempt failed. */
  error;
  /**
   * @type {StageError | undefined} What this connection cannot carry, such as video in a codec that the browser
   * lacks.
   */
  warning;
  /** @type {MediaStream | undefined} The received stream. */
  stream;
  /** Resolves with the first `live`, or rejects with `failed` or `closed`. @type {Promise<void>} */
  ready = Promise.resolve();

  #url;
  #token;
  #category;
  #prepare;
  #events;
  /** @type {Events | undefined} The events socket in use. */
  #eventsInUse;
  #retry = new Retry(RETRY_LAST_MS);
  #pathTries = 0;
  /** What was muted or unmuted: the server is told again for each connection. @type {Record<string, boolean>} */
  #muted = {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Attempt | undefined} */
  #attempt;
  /** @type {{resolve: () => void, reject: (reason: Error) => void}} */
  #settle = { resolve: () => {}, reject: () => {} };

  /**
   * Use {@link publish} or {@link watch}.
   * @param {string} url
   * @param {TokenSource} token
   * @param {ErrorCategory} category
   * @param {(connection: RTCPeerConnection, session: MediaSession) => void | Promise<void>} prepare
   * @param {SessionOptions} options
   */
  constructor(url, token, category, prepare, options) {
    super();
    this.#url = url;
    this.#token = token;
    this.#category = category;
    this.#prepare = prepare;
    this.#events = options.events;
    this.#begin();
  }

  /** @type {RTCPeerConnection | undefined} The connection in use; replaced when it is lost. */
  get connection() {
    return this.#attempt?.connection;
  }

  /** Ends the session here and at the server. */
  async close() {
    if (this.state === "closed") return;
    clearTimeout(this.#timer);
    this.#setState("closed");
    await this.#drop();
  }

  /**
   * Mutes what is published, or unmutes it: the track sends silence or black pictures, and with `events` everybody who watches is told.
   * @param {"audio" | "video"} kind
   * @param {boolean} isMuted
   */
  setMuted(kind, isMuted) {
    this.#muted[kind === "audio" ? "audioMuted" : "videoStopped"] = isMuted;
    for (const { track } of this.connection?.getSenders() ?? []) {
      if (track?.kind === kind) track.enabled = !isMuted;
    }
    this.#tellMuted();
  }

  #tellMuted() {
    if (Object.keys(this.#muted).length > 0) this.#eventsInUse?.tell("PUBLISH_CONFIGURE", this.#muted);
  }

  /** Tries again after `failed`, with a new `ready`. */
  retry() {
    if (this.state !== "failed") return;
    this.#retry.reset();
    this.#pathTries = 0;
    this.state = "connecting";
    this.error = undefined;
    this.dispatchEvent(new Event("statechange"));
    this.#begin();
  }

  #begin() {
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Prevents an "unhandled rejection" when the caller only uses events.
    this.ready.catch(() => {});
    globalThis.addEventListener?.("pagehide", this.#onPageHide);
    globalThis.addEventListener?.("online", this.#onOnline);
    this.#connect();
  }

  #onPageHide = () => {
    this.close();
  };

  /** The browser has another network. */
  #onOnline = () => {
    if (this.#attempt) this.#restart(this.#attempt);
  };

  async #connect() {
    const connection = new RTCPeerConnection(CONFIGURATION);
    /** @type {Attempt} */
    const attempt = {
      connection,
      answer: "",
      hadPath: false,
      wasLive: false,
      isRestarting: false,
      early: [],
      layers: new LayerSwitch(connection),
    };
    this.#attempt = attempt;
    const trickle = new Trickle(connection);
    connection.addEventListener("iceconnectionstatechange", () => this.#onIceState(attempt));
    connection.addEventListener("connectionstatechange", () => this.#onConnectionState(attempt));
    try {
      await this.#prepare(connection, this);
      const local = await connection.createOffer();
      const token = (typeof this.#token === "string" ? this.#token : await this.#token()).trim();
      if (this.#attempt !== attempt) return;
      await this.#startListening(token);
      if (this.#attempt !== attempt) return;
      const { resource, answer, iceServers } = await offer(this.#url, token, local.sdp ?? "", this.#category);
      if (this.#attempt !== attempt) {
        await resource.delete();
        return;
      }
      attempt.resource = resource;
      attempt.answer = answer;
      for (const trouble of attempt.early) this.#applyReport(trouble);
      if (attempt.earlyLayers) this.#applyLayers(attempt, attempt.earlyLayers);
      this.#timer = setTimeout(() => this.#onNotUp(attempt), PATH_TIMEOUT_MS);
      // A browser looks for paths from the moment it is given its own description, and must know the relay by then.
      if (iceServers.length > 0) connection.setConfiguration({ ...CONFIGURATION, iceServers });
      await connection.setLocalDescription(local);
      await connection.setRemoteDescription({ type: "answer", sdp: answer });
      trickle.start(resource);
    } catch (cause) {
      if (this.#attempt !== attempt) return;
      const known = cause instanceof StageError;
      const category = this.#category;
      this.#onRefused(known ? cause : new StageError(`${cause}`, { code: "FAILED", status: 400, category }));
    }
  }

  /** @param {Attempt} attempt */
  #onIceState(attempt) {
    if (this.#attempt !== attempt) return;
    const state = attempt.connection.iceConnectionState;
    if (state === "connected" || state === "completed") attempt.hadPath = true;
    if (state === "failed" && !attempt.wasLive) this.#onNotUp(attempt);
  }

  /** @param {Attempt} attempt */
  #onConnectionState(attempt) {
    if (this.#attempt !== attempt) return;
    switch (attempt.connection.connectionState) {
      case "connected":
        clearTimeout(this.#timer);
        attempt.wasLive = true;
        this.#retry.reset();
        this.#pathTries = 0;
        this.#watchTransport(attempt);
        this.#watchSilence(attempt);
        this.#tellMuted();
        this.#setState("live");
        break;
      case "disconnected":
        if (!attempt.wasLive) break;
        this.#healOrReplace(attempt);
        this.#restart(attempt);
        attempt.silence?.look();
        break;
      case "failed":
      case "closed":
        if (attempt.wasLive) this.#onLost();
        else this.#onNotUp(attempt);
        break;
    }
  }

  /** @param {Attempt} attempt */
  #healOrReplace({ connection }) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (connection.connectionState !== "connected") this.#onLost();
    }, HEAL_MS);
  }

  /**
   * Looks for another path to the same session.
   * @param {Attempt} attempt
   */
  async #restart(attempt) {
    const { connection, resource } = attempt;
    if (!resource || !attempt.wasLive || attempt.isRestarting) return;
    attempt.isRestarting = true;
    for (let tries = 0; tries < RESTART_TRIES && this.#attempt === attempt; tries++) {
      try {
        attempt.answer = await restartIce(connection, resource, attempt.answer);
        if (this.#attempt === attempt && connection.connectionState !== "connected")
          this.#healOrReplace(attempt);
        break;
      } catch {
        // The connection heals by itself, or is replaced.
      }
    }
    attempt.isRestarting = false;
  }

  /**
   * A server that ends a connection sends a DTLS alert. Browsers show this only in the state of the transport; the
   * connection's own state becomes "failed" only seconds later.
   * @param {Attempt} attempt
   */
  #watchTransport({ connection }) {
    const [{ transport } = { transport: null }] = [...connection.getSenders(), ...connection.getReceivers()];
    transport?.addEventListener("statechange", () => {
      const isOver = transport.state === "closed" || transport.state === "failed";
      if (isOver && this.#attempt?.connection === connection) this.#onLost();
    });
  }

  /** @param {Attempt} attempt */
  #watchSilence(attempt) {
    const { connection, resource } = attempt;
    if (!resource || attempt.silence) return;
    const onGone = () => {
      if (this.#attempt === attempt) this.#onLost();
    };
    attempt.silence = new Silence(connection, resource, onGone, () => this.#restart(attempt));
  }

  /** The events socket closes as soon as the server ends. */
  #onEventsState = () => {
    if (this.#eventsInUse?.state === "reconnecting") this.#attempt?.silence?.look();
  };

  /** Replaces a connection that was live, and asks the server whether it ended the session. */
  async #onLost() {
    this.#setState("reconnecting");
    this.#connectLater();
    const { code, message } = await this.#drop();
    if (!code || !message || WORDLESS.includes(code)) return;
    if (this.state !== "reconnecting") return;
    this.#report(new StageError(message, { code, category: this.#category }));
  }

  /**
   * The server answered, but the connection was not established.
   * @param {Attempt} attempt
   */
  async #onNotUp(attempt) {
    if (this.#attempt !== attempt || attempt.wasLive) return;
    clearTimeout(this.#timer);
    const said = await this.#drop(REASON_TIMEOUT_MS);
    if (this.state === "closed") return;
    const candidates = udpCandidates(attempt.answer);
    const category = this.#category;
    const error = attempt.hadPath ? notSecured(category, said) : noMediaPath(candidates, category, said);
    this.#pathTries += 1;
    const isLast = this.#pathTries >= PATH_TRIES_MAX;
    this.error = error;
    this.#setState(isLast ? "failed" : "unreachable");
    this.#report(error);
    if (!isLast) this.#connectLater();
  }

  /**
   * The offer was refused or not answered.
   * @param {StageError} error
   */
  #onRefused(error) {
    clearTimeout(this.#timer);
    this.error = error;
    this.#drop();
    // A participant that is not publishing may start; a stage that does not exist will not appear.
    const isWaiting = error.status === 404 && this.#category === "SUBSCRIBE_ERROR";
    if (isWaiting) {
      this.#setState("waiting");
      this.#connectLater();
      return;
    }
    const isPassing = error.isPassing && error.status !== 404;
    if (!isPassing) this.#setState("failed");
    this.#report(error);
    if (isPassing) this.#connectLater();
  }

  /** @param {StageError} error */
  #report(error) {
    this.error = error;
    this.dispatchEvent(errorEvent("error", error));
  }

  /**
   * Listens to the server's reports about the connections of a token.
   * @param {string} token
   */
  async #startListening(token) {
    const events = typeof this.#events === "function" ? this.#events(token) : this.#events;
    if (!events || events === this.#eventsInUse) return;
    this.#stopListening();
    this.#eventsInUse = events;
    events.addEventListener("trouble", this.#onTrouble);
    events.addEventListener("layerswanted", this.#onLayersWanted);
    events.addEventListener("statechange", this.#onEventsState);
    await Promise.race([events.joined, new Promise(resolve => setTimeout(resolve, EVENTS_TIMEOUT_MS))]);
  }

  #stopListening() {
    this.#eventsInUse?.removeEventListener("trouble", this.#onTrouble);
    this.#eventsInUse?.removeEventListener("layerswanted", this.#onLayersWanted);
    this.#eventsInUse?.removeEventListener("statechange", this.#onEventsState);
    this.#eventsInUse = undefined;
  }

  /** @param {Event} event */
  #onTrouble = event => {
    const { trouble } = /** @type {Event & {trouble: Trouble}} */ (event);
    const attempt = this.#attempt;
    if (attempt?.resource) this.#applyReport(trouble);
    else if (attempt && attempt.early.length < EARLY_MAX) attempt.early.push(trouble);
  };

  /** @param {Event} event */
  #onLayersWanted = event => {
    const { wanted } = /** @type {Event & {wanted: import("./layers.js").LayersWanted}} */ (event);
    const attempt = this.#attempt;
    if (attempt?.resource) this.#applyLayers(attempt, wanted);
    else if (attempt) attempt.earlyLayers = wanted;
  };

  /**
   * @param {Attempt} attempt
   * @param {import("./layers.js").LayersWanted} wanted
   */
  #applyLayers(attempt, { session, layers }) {
    if (session === attempt.resource?.id) attempt.layers.set(layers);
  }

  /** @param {Trouble} trouble */
  #applyReport({ error, session }) {
    // When the connection is over, it ends by itself, and the session's URL has the reason.
    if (error.isOver || !session || session !== this.#attempt?.resource?.id) return;
    this.warning = error;
    this.dispatchEvent(errorEvent("warning", error));
  }

  #connectLater() {
    clearTimeout(this.#timer);
    if (this.state === "closed" || this.state === "failed") return;
    this.#timer = setTimeout(() => this.#connect(), this.#retry.next());
  }

  /**
   * Drops the connection. Returns the server's reason, if it has one.
   * @param {number} [timeoutMs]
   */
  async #drop(timeoutMs) {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.warning = undefined;
    attempt?.silence?.stop();
    // The DELETE goes first, because a closed connection ends the resource too, and the DELETE would then find nothing.
    const said = await attempt?.resource?.delete(timeoutMs);
    attempt?.connection.close();
    return said ?? {};
  }

  /** @param {SessionState} state */
  #setState(state) {
    if (this.state === "closed" || this.state === state) return;
    this.state = state;
    if (state === "live") {
      this.error = undefined;
      this.#settle.resolve();
    }
    if (state === "failed" || state === "closed") {
      globalThis.removeEventListener?.("pagehide", this.#onPageHide);
      globalThis.removeEventListener?.("online", this.#onOnline);
      this.#stopListening();
      const closed = new StageError("closed before it was live", { code: "CANCELED" });
      this.#settle.reject(this.error ?? closed);
    }
    this.dispatchEvent(new Event("statechange"));
  }
}

/**
 * Publishes a stream by WHIP, and reconnects whenever the connection is lost.
 * @param {string} url The token's `whip_url`.
 * @param {TokenSource} token With the capability PUBLISH.
 * @param {MediaStream} stream The caller stops its tracks.
 * @param {PublishOptions & SessionOptions} [options]
 * @returns {MediaSession}
 */
export function publish(url, token, stream, options = {}) {
  /** @param {RTCPeerConnection} connection */
  const prepare = connection => {
    for (const track of stream.getTracks()) {
      const sendEncodings = track.kind === "video" ? encodingsOf(options) : [];
      const transceiver = connection.addTransceiver(track, {
        direction: "sendonly",
        streams: [stream],
        sendEncodings,
      });
      if (track.kind === "video" && options.videoCodec) restrict(transceiver, options.videoCodec);
      if (track.kind === "audio" && options.redundantAudio) preferRedundancy(transceiver);
    }
  };
  return new MediaSession(url, token, "PUBLISH_ERROR", prepare, options);
}

/**
 * Watches one participant by WHEP, and reconnects whenever the connection is lost or the participant returns.
 * @param {string} url The subscription's URL, which ends in the participant's id.
 * @param {TokenSource} token With the capability SUBSCRIBE.
 * @param {HTMLMediaElement} element Plays the stream. Mute it to start without a user gesture.
 * @param {SessionOptions} [options]
 * @returns {MediaSession}
 */
export function watch(url, token, element, options = {}) {
  /**
   * @param {RTCPeerConnection} connection
   * @param {MediaSession} session
   */
  const prepare = (connection, session) => {
    const stream = new MediaStream();
    connection.addTransceiver("audio", { direction: "recvonly" });
    connection.addTransceiver("video", { direction: "recvonly" });
    connection.addEventListener("track", ({ track }) => {
      stream.addTrack(track);
      if (session.stream === stream) return;
      session.stream = stream;
      element.srcObject = stream;
      // Refused when the element is not muted and the user has not touched the page; the caller should offer a button.
      element.play().catch(() => {});
      session.dispatchEvent(new Event("streamchange"));
    });
  };
  return new MediaSession(url, token, "SUBSCRIBE_ERROR", prepare, options);
}
