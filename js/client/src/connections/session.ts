/** One publication or subscription, which reconnects by itself. */

import { Attempt } from "./attempt.js";
import type { ErrorCategory } from "./errors.js";
import { errorEvent, replaced, StageError } from "./errors.js";
import type { EventsState, Refusal, StageEvents } from "./listen.js";
import { Mutes } from "./mute.js";
import { noMediaPath, notSecured, udpCandidates } from "./path.js";
import { Reports } from "./reports.js";
import { Retry } from "./retry.js";
import { isTokenText, offer, Trickle } from "./signalling.js";
import { Silence } from "./silence.js";

/**
 * A connection that is "disconnected" for this long, and this long after an ICE restart, is replaced. ICE often recovers
 * sooner.
 */
const HEAL_MS = 2000;
/** The longest wait between attempts to reconnect. */
const RETRY_LAST_MS = 4000;
/** Endings for which no message is needed: those of the network, and those after which the session continues. */
const WORDLESS = ["SILENT", "CLOSED", "SERVER_RESTART"];
/**
 * How long a connection that was lost is not replaced while the server has not said why it ended. Another session with the
 * same token may have taken its place, and would lose its own to a new connection.
 */
const ENDED_TIMEOUT_MS = 1000;
/**
 * A connection that is not established within this time after its answer has no media path. The server waits 15
 * seconds.
 */
const PATH_TIMEOUT_MS = 10_000;
/** After this many attempts in a row without a media path, the caller decides whether to try again. */
const PATH_TRIES_MAX = 4;
/** How long to wait for the server's reason why an attempt failed. */
const REASON_TIMEOUT_MS = 2000;
/** When the server is told again what is muted, if it did not take it: it takes ten such messages a second. */
const TELL_AGAIN_MS = 1000;
/** How often it is told again, for one connection and one wish. */
const TELL_AGAIN_MAX = 5;

const CONFIGURATION: RTCConfiguration = { bundlePolicy: "max-bundle" };

/**
 * - `connecting`: first attempt under way
 * - `live`: media can flow
 * - `waiting`: (watching only) the participant is not publishing; the session tries until it is
 * - `reconnecting`: the connection was lost and is being replaced
 * - `unreachable`: the server answers, but there is no media path to it; a few more attempts follow
 * - `failed`: the server refused permanently, another session with the token took this one's place (REPLACED), there was no
 * media path each time, or there is nothing to send; see `error`, and {@link MediaSession.retry}
 * - `closed`: by {@link MediaSession.close}
 */
export type SessionState =
  | "connecting"
  | "live"
  | "waiting"
  | "reconnecting"
  | "unreachable"
  | "failed"
  | "closed";

/**
 * A participant token, or a function that fetches one
 * for each connection, for sessions that outlive a token. When the function fails, it is called again (NO_TOKEN).
 */
export type TokenSource = string | (() => string | Promise<string>);

export type Events = StageEvents;

/**
 * The result of {@link listen} for the session's
 * token, or a function that returns it for each token.
 */
export type EventsSource = Events | ((token: string) => Events);

export interface SessionOptions {
  /**
   * Reports to the session what only the server knows, such as a codec that this
   * browser lacks.
   */
  events?: EventsSource;
  /** Further headers of the offer, such as that of a connection token. */
  headers?: Record<string, string>;
}

/** What a session is for. */
export interface Purpose {
  category: ErrorCategory;
  /** Adds the tracks to a new connection. */
  prepare: (connection: RTCPeerConnection, session: MediaSession) => void | Promise<void>;
  /** The caller's tracks, which are sent. */
  tracks: () => MediaStreamTrack[];
  /** Whether the caller mutes its tracks itself, so that {@link MediaSession.setMuted} only tells the server. */
  mutesItself?: boolean;
  /** Changes the server's answer before the browser is given it. */
  readAnswer?: (sdp: string) => string;
}

/**
 * One publication or subscription that reconnects by itself. Fires `statechange`; `error` at each failed attempt
 * (see `error`); `warning` when the connection carries less than was published (see `warning`); and, for a
 * subscription, `streamchange` when a new connection has a new stream.
 */
export class MediaSession extends EventTarget {
  state: SessionState = "connecting";
  /** Why the last attempt failed. */
  error: StageError | undefined;
  /**
   * What this connection cannot carry, such as video in a codec that the browser
   * lacks.
   */
  warning: StageError | undefined;
  /** The received stream. */
  stream: MediaStream | undefined;
  /** Resolves with the first `live`, or rejects with `failed` or `closed`. */
  ready: Promise<void> = Promise.resolve();

  readonly #url: string;
  readonly #token: TokenSource;
  readonly #category: ErrorCategory;
  readonly #purpose: Purpose;
  readonly #reports: Reports;
  readonly #headers: Record<string, string> | undefined;
  #retry = new Retry(RETRY_LAST_MS);
  #pathTries = 0;
  #mutes = new Mutes();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Until the server is told again what is muted. */
  #tellTimer: ReturnType<typeof setTimeout> | undefined;
  /** Connections that are not closed: one that is lost stays open until the server has said why. */
  #open: Set<RTCPeerConnection> = new Set();
  #closing: Promise<void> | undefined;
  #attempt: Attempt | undefined;
  #settle: { resolve: () => void; reject: (reason: Error) => void } = { resolve: () => {}, reject: () => {} };

  /** Use {@link publish} or {@link watch}. */
  constructor(url: string, token: TokenSource, purpose: Purpose, options: SessionOptions) {
    super();
    this.#url = url;
    this.#token = token;
    this.#category = purpose.category;
    this.#purpose = purpose;
    this.#headers = options.headers;
    this.#reports = new Reports(options.events, {
      trouble: trouble => this.#warn(this.#attempt?.warningIn(trouble)),
      layerswanted: wanted => this.#attempt?.sendLayers(wanted),
      refused: refusal => this.#onWordRefused(refusal),
      statechange: state => this.#onEventsState(state),
    });
    this.#begin();
  }

  /** The connection in use; replaced when it is lost. */
  get connection() {
    return this.#attempt?.connection;
  }

  /**
   * Ends the session here and at the server. Then tracks that it muted or unmuted are `enabled` as they were before, unless another session
   * mutes them.
   */
  close() {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end() {
    clearTimeout(this.#timer);
    this.#setState("closed");
    await this.#drop();
    // Nothing may be sent of a muted track that is given back.
    for (const connection of this.#open) connection.close();
    this.#mutes.release();
  }

  /**
   * Mutes what is published, or unmutes it, in whatever state the session is: the tracks give silence or black pictures at once, for every later
   * connection too, and with `events` everybody who watches is told. It does nothing when watching, and after {@link MediaSession.close}.
   */
  setMuted(kind: "audio" | "video", isMuted: boolean) {
    if (kind !== "audio" && kind !== "video") throw new TypeError(`"${kind}" is neither "audio" nor "video"`);
    if (this.state === "closed" || this.#category !== "PUBLISH_ERROR") return;
    this.#mutes.set(kind, isMuted, this.#tracks());
    if (this.#attempt) this.#attempt.toldAgain = 0;
    this.#tellMuted();
  }

  /** The caller's tracks, and those with which it replaced them in the connection. */
  #tracks() {
    if (this.#purpose.mutesItself) return new Set<MediaStreamTrack>();
    const sent = this.connection?.getSenders().flatMap(({ track }) => track ?? []) ?? [];
    return new Set([...this.#purpose.tracks(), ...sent]);
  }

  /** Tells the server what is muted. It forgets that with each publishing connection, and hears nothing without a socket. */
  #tellMuted() {
    clearTimeout(this.#tellTimer);
    const { told } = this.#mutes;
    if (!told || !this.#attempt?.wasLive) return;
    this.#mutes.apply(this.#tracks());
    this.#reports.tell("PUBLISH_CONFIGURE", told);
  }

  #onWordRefused({ type, error }: Refusal) {
    const attempt = this.#attempt;
    if (type !== "PUBLISH_CONFIGURE" || !attempt?.wasLive || attempt.toldAgain >= TELL_AGAIN_MAX) return;
    // The server may know later than the browser that the connection is up.
    if (error.code !== "TOO_OFTEN" && error.code !== "NO_PUBLICATION") return;
    attempt.toldAgain += 1;
    clearTimeout(this.#tellTimer);
    this.#tellTimer = setTimeout(() => this.#tellMuted(), TELL_AGAIN_MS);
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
    let attempt: Attempt | undefined;
    try {
      const connection = this.#make();
      const made = new Attempt(connection);
      attempt = made;
      this.#attempt = made;
      const trickle = new Trickle(connection);
      connection.addEventListener("iceconnectionstatechange", () => this.#onIceState(made));
      connection.addEventListener("connectionstatechange", () => this.#onConnectionState(made));
      if (!this.#purpose.mutesItself) this.#mutes.apply(this.#purpose.tracks());
      await this.#purpose.prepare(connection, this);
      const local = await connection.createOffer();
      const token = await this.#nextToken();
      if (this.#attempt !== attempt) return;
      await this.#reports.listen(token);
      if (this.#attempt !== attempt) return;
      const said = await offer(this.#url, token, local.sdp ?? "", this.#category, this.#headers);
      const { resource, iceServers } = said;
      const answer = this.#purpose.readAnswer?.(said.answer) ?? said.answer;
      if (this.#attempt !== attempt) {
        await resource.delete();
        return;
      }
      for (const warning of made.onAnswer(resource, answer)) this.#warn(warning);
      this.#timer = setTimeout(() => this.#onNotUp(made), PATH_TIMEOUT_MS);
      // A browser looks for paths from the moment it is given its own description, and must know the relay by then.
      if (iceServers.length > 0) connection.setConfiguration({ ...CONFIGURATION, iceServers });
      await connection.setLocalDescription(local);
      await connection.setRemoteDescription({ type: "answer", sdp: answer });
      trickle.start(resource);
    } catch (cause) {
      // The caller of `publish` can listen only after this turn.
      await Promise.resolve();
      if (this.#attempt !== attempt || this.state === "closed") return;
      const known = cause instanceof StageError;
      const category = this.#category;
      this.#onRefused(known ? cause : new StageError(`${cause}`, { code: "FAILED", status: 400, category }));
    }
  }

  /** A new connection. A browser refuses one when its pages have too many, which passes. */
  #make() {
    const category = this.#category;
    if (typeof globalThis.RTCPeerConnection !== "function")
      throw new StageError("there is no WebRTC here", { code: "FAILED", category });
    try {
      const connection = new RTCPeerConnection(CONFIGURATION);
      this.#open.add(connection);
      return connection;
    } catch (cause) {
      const message = `the browser makes no connection: ${cause}`;
      throw new StageError(message, { code: "NO_PEER_CONNECTION", category, cause });
    }
  }

  /** The token for a connection. What fetches it fails when its own server is away, which passes. */
  async #nextToken() {
    if (typeof this.#token === "string") return this.#checked(this.#token.trim());
    try {
      const token = await this.#token();
      if (typeof token !== "string" || !token.trim()) throw new TypeError("it returned no text");
      return this.#checked(token.trim());
    } catch (cause) {
      if (cause instanceof StageError && cause.code === "TOKEN_MALFORMED") throw cause;
      const category = this.#category;
      throw new StageError(`no participant token: ${cause}`, { code: "NO_TOKEN", category, cause });
    }
  }

  /** What fits into no header would look like a server that does not answer. */
  #checked(token: string) {
    if (isTokenText(token)) return token;
    const message = "a participant token has no characters but base64url's and dots";
    throw new StageError(message, { code: "TOKEN_MALFORMED", category: this.#category });
  }

  #onIceState(attempt: Attempt) {
    if (this.#attempt !== attempt) return;
    const state = attempt.connection.iceConnectionState;
    if (state === "connected" || state === "completed") attempt.hadPath = true;
    if (state === "failed" && !attempt.wasLive) this.#onNotUp(attempt);
  }

  #onConnectionState(attempt: Attempt) {
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

  #healOrReplace({ connection }: Attempt) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (connection.connectionState !== "connected") this.#onLost();
    }, HEAL_MS);
  }

  /** Looks for another path to the same session. */
  async #restart(attempt: Attempt) {
    const isInUse = () => this.#attempt === attempt;
    const isRestarted = await attempt.restart(isInUse);
    if (isRestarted && isInUse() && attempt.connection.connectionState !== "connected")
      this.#healOrReplace(attempt);
  }

  /**
   * A server that ends a connection sends a DTLS alert. Browsers show this only in the state of the transport; the
   * connection's own state becomes "failed" only seconds later.
   */
  #watchTransport({ connection }: Attempt) {
    const [{ transport } = { transport: null }] = [...connection.getSenders(), ...connection.getReceivers()];
    transport?.addEventListener("statechange", () => {
      const isOver = transport.state === "closed" || transport.state === "failed";
      if (isOver && this.#attempt?.connection === connection) this.#onLost();
    });
  }

  #watchSilence(attempt: Attempt) {
    const { connection, resource } = attempt;
    if (!resource || attempt.silence) return;
    const onGone = () => {
      if (this.#attempt === attempt) this.#onLost();
    };
    attempt.silence = new Silence(connection, resource, onGone, () => this.#restart(attempt));
  }

  #onEventsState(state: EventsState) {
    if (state === "open") this.#tellMuted();
    // The socket closes as soon as the server ends.
    if (state === "reconnecting") this.#attempt?.silence?.look();
  }

  /** Replaces a connection that was live, unless the server answers that another session with the token has taken its place. */
  async #onLost() {
    this.#setState("reconnecting");
    clearTimeout(this.#timer);
    const lostAt = performance.now();
    const { code, message } = await this.#drop(ENDED_TIMEOUT_MS);
    if (this.state !== "reconnecting") return;
    if (code === "REPLACED") {
      this.#fail(replaced(this.#category, message));
      return;
    }
    this.#connectLater(performance.now() - lostAt);
    if (!code || !message || WORDLESS.includes(code)) return;
    this.#report(new StageError(message, { code, category: this.#category }));
  }

  /** The server answered, but the connection was not established. */
  async #onNotUp(attempt: Attempt) {
    if (this.#attempt !== attempt || attempt.wasLive) return;
    clearTimeout(this.#timer);
    const said = await this.#drop(REASON_TIMEOUT_MS);
    if (this.state === "closed") return;
    if (said.code === "REPLACED") {
      this.#fail(replaced(this.#category, said.message));
      return;
    }
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

  /** The offer was refused or not answered. */
  #onRefused(error: StageError) {
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
    if (!error.isPassing || error.status === 404) {
      this.#fail(error);
      return;
    }
    this.#report(error);
    this.#connectLater();
  }

  #fail(error: StageError) {
    this.error = error;
    this.#setState("failed");
    this.#report(error);
  }

  #report(error: StageError) {
    this.error = error;
    this.dispatchEvent(errorEvent("error", error));
  }

  #warn(warning: StageError | undefined) {
    if (!warning) return;
    this.warning = warning;
    this.dispatchEvent(errorEvent("warning", warning));
  }

  /** @param waitedMs How much of the pause has passed already. */
  #connectLater(waitedMs = 0) {
    clearTimeout(this.#timer);
    if (this.state === "closed" || this.state === "failed") return;
    this.#timer = setTimeout(() => this.#connect(), Math.max(this.#retry.next() - waitedMs, 0));
  }

  /** Drops the connection. Returns the server's reason, if it has one. */
  async #drop(timeoutMs?: number) {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    this.warning = undefined;
    clearTimeout(this.#tellTimer);
    attempt?.silence?.stop();
    // The DELETE goes first, because a closed connection ends the resource too, and the DELETE would then find nothing.
    const said = await attempt?.resource?.delete(timeoutMs);
    attempt?.connection.close();
    if (attempt) this.#open.delete(attempt.connection);
    return said ?? {};
  }

  #setState(state: SessionState) {
    if (this.state === "closed" || this.state === state) return;
    this.state = state;
    if (state === "live") {
      this.error = undefined;
      this.#settle.resolve();
    }
    if (state === "failed" || state === "closed") {
      globalThis.removeEventListener?.("pagehide", this.#onPageHide);
      globalThis.removeEventListener?.("online", this.#onOnline);
      this.#reports.stop();
      const closed = new StageError("closed before it was live", { code: "CANCELED" });
      this.#settle.reject(this.error ?? closed);
    }
    this.dispatchEvent(new Event("statechange"));
  }
}
