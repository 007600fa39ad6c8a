/** The events of a stage: who publishes, and errors of the participant's own connections. */

import type { ErrorCategory } from "./errors.js";
import { errorEvent, StageError } from "./errors.js";
import { readLayers } from "./layers.js";
import { keepSecret, secretOf } from "./resumption.js";
import { Retry } from "./retry.js";
import { decodeToken } from "./signalling.js";

/** The longest wait between attempts to reconnect. */
const RETRY_LAST_MS = 8000;
/** Interval between pings; after the second one without an answer the socket is replaced. */
const PING_MS = 10_000;

/** Prefix of a resumption secret in a sub-protocol. */
const RESUMPTION_PROTOCOL = "restage-resumption.";

/** Attempts in a row without a message from the server before the socket gives up: about five minutes. */
const TRIES_MAX = 65;

/** The intervals of statistics that the server takes, in milliseconds. */
const STATS_MS = { min: 1000, max: 60_000 };

/** Close codes after which the socket must not be opened again: the token is refused, or another socket has its place. */
const FINAL = new Map([
  [4401, "TOKEN_MALFORMED"],
  [4403, "TOKEN_NOT_ALLOWED"],
  [4404, "STAGE_DELETED"],
  [4409, "REPLACED"],
  [4410, "PARTICIPANT_DISCONNECTED"],
]);

export type EventsState = "connecting" | "open" | "reconnecting" | "failed" | "closed";

export interface StageParticipant {
  id: string;
  userId: string;
  attributes: Record<string, string>;
  isPublishing: boolean;
  /** Whether it says that it is muted. */
  audioMuted: boolean;
  /** The same of its pictures. */
  videoStopped: boolean;
}

/** The server's report about one of the participant's connections. */
export interface Trouble {
  /** Its category says whether it was publishing or watching. */
  error: StageError;
  /** The last part of the session's address, if there was a session. */
  session: string | undefined;
  /** The participant to be watched. */
  remoteParticipantId: string | undefined;
}

/** The server did not take a message. */
export interface Refusal {
  /** Of the message, such as SUBSCRIBE_CONFIGURE; ERROR if the server does not know the type. */
  type: string;
  error: StageError;
}

/**
 * One events socket, which reconnects by itself. Fires `statechange`, `stagestate` (see `participants`),
 * `speakerchange` (see `speaker`), `trouble` with a {@link Trouble} as its `trouble`, `layerswanted` with `wanted`
 * (src/layers.js), `mutechange` with the payload of STAGE_STREAM_MUTE_CHANGED as its `mute`, `stats` with that
 * of STATS as its `stats`, after {@link StageEvents.askForStats}, and `refused` with a {@link Refusal} as its `refusal`, when
 * the server does not take what it was told. Each message, of whatever type, also fires `message` with its `type` and `payload` as its
 * `message`, before the others.
 */
export class StageEvents extends EventTarget {
  state: EventsState = "connecting";
  /** Why it failed. */
  error: StageError | undefined;
  /** The participants that publish. */
  participants: StageParticipant[] = [];
  /** The participant that speaks. */
  speaker: string | undefined;
  /** All participants that speak. */
  speaking: string[] = [];
  /**
   * Resolves when the server has admitted the socket, after which no report is missed, or when it never will.
   */
  joined: Promise<void>;

  readonly #url: string;
  #token: string;
  readonly #protocols: readonly string[];
  #socket: WebSocket | undefined;
  #retry = new Retry(RETRY_LAST_MS);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unanswered = 0;
  #tries = 0;
  #settle = () => {};
  #statsEveryMs = 0;
  /** Whether the socket has been admitted. */
  #isAdmitted = false;

  /** Use {@link listen}. */
  constructor(url: string, token: string, protocols: readonly string[] = []) {
    super();
    this.#url = url;
    this.#token = token;
    this.#protocols = protocols;
    this.joined = new Promise(resolve => {
      this.#settle = resolve;
    });
    this.#open();
  }

  /** Sends a message; it is lost while the socket is not open. */
  tell(type: string, payload: object) {
    if (this.#socket && this.state === "open") this.#socket.send(JSON.stringify({ type, payload }));
  }

  /**
   * Asks for `stats` about the participant's own connections, at this interval.
   * @param everyMs An integer from 1000 to 60000; 0 for no more.
   * @throws {RangeError} For any other interval. Those asked for before go on.
   */
  askForStats(everyMs: number) {
    const isPossible = everyMs === 0 || (everyMs >= STATS_MS.min && everyMs <= STATS_MS.max);
    if (!Number.isInteger(everyMs) || !isPossible) {
      throw new RangeError(
        `statistics come every ${STATS_MS.min} to ${STATS_MS.max} ms, or 0 for none: ${everyMs}`,
      );
    }
    this.#statsEveryMs = everyMs;
    this.tell("STATS_CONFIGURE", { everyMs });
  }

  /** Uses another token from the next connection on: the one for which the server has exchanged the present one. */
  useToken(token: string) {
    this.#token = token;
  }

  /** Closes the socket. */
  close() {
    this.#setState("closed");
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.#socket = undefined;
  }

  #open() {
    const secret = secretOf(this.#token);
    // A page cannot set headers of a WebSocket, so the secret is a second sub-protocol.
    const beside = secret ? [`${RESUMPTION_PROTOCOL}${secret}`] : [];
    this.#unanswered = 0;
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.#url, [this.#token, ...beside, ...this.#protocols]);
    } catch (cause) {
      // The runtime refuses it, or has none: it would again. Whoever calls `listen` can hear of it only after this turn.
      const message = `the events socket cannot be opened: ${cause}`;
      const error = new StageError(message, { code: "FAILED", cause });
      queueMicrotask(() => this.#fail(error));
      return;
    }
    this.#socket = socket;
    this.#isAdmitted = false;
    socket.addEventListener("message", ({ data }) => {
      if (this.#socket === socket) this.#take(data);
    });
    socket.addEventListener("open", () => {
      if (this.#socket !== socket) return;
      this.#setState("open");
      this.#schedulePing();
      if (this.#statsEveryMs > 0) this.askForStats(this.#statsEveryMs);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (this.#socket === socket) this.#onClose(code, reason);
    });
  }

  #take(data: unknown) {
    this.#unanswered = 0;
    this.#tries = 0;
    this.#retry.reset();
    // The server's first message after admitting the socket is the stage's state.
    this.#settle();
    let message: { type?: string; payload?: Record<string, unknown> } | undefined;
    try {
      message = JSON.parse(`${data}`);
    } catch {
      return;
    }
    const payload = message?.payload ?? {};
    const said = Object.assign(new Event("message"), { message: { type: message?.type ?? "", payload } });
    this.dispatchEvent(said);
    switch (message?.type) {
      case "STAGE_STATE":
        this.participants = Array.isArray(payload.participants) ? payload.participants : [];
        this.dispatchEvent(new Event("stagestate"));
        this.#forgetSpeakers();
        break;
      case "STAGE_ACTIVE_SPEAKER_CHANGED":
        this.speaker = typeof payload.participantId === "string" ? payload.participantId : undefined;
        this.speaking = Array.isArray(payload.speaking) ? payload.speaking : [];
        this.dispatchEvent(new Event("speakerchange"));
        break;
      case "STATS_CONFIGURE_ERROR":
        if (payload.code === "INVALID") this.#statsEveryMs = 0;
        this.#onRefused(message.type, payload);
        break;
      case "PUBLISH_CONFIGURE_ERROR":
      case "SUBSCRIBE_CONFIGURE_ERROR":
      case "TOKEN_EXCHANGE_ERROR":
      // The answer to a type that this server does not know: it may be older than this client.
      case "ERROR":
        this.#onRefused(message.type, payload);
        break;
      case "PUBLISH_LAYERS_WANTED": {
        const wanted = readLayers(payload);
        if (wanted) this.dispatchEvent(Object.assign(new Event("layerswanted"), { wanted }));
        break;
      }
      case "STAGE_STREAM_MUTE_CHANGED":
        this.dispatchEvent(Object.assign(new Event("mutechange"), { mute: payload }));
        break;
      case "STATS":
        this.dispatchEvent(Object.assign(new Event("stats"), { stats: payload }));
        break;
      case "RESUMPTION":
        keepSecret(this.#token, payload.secret);
        break;
      case "PUBLISH_ERROR":
      case "SUBSCRIBE_ERROR":
        this.dispatchEvent(
          Object.assign(new Event("trouble"), { trouble: readTrouble(message.type, payload) }),
        );
        break;
    }
  }

  /** Forgets speakers that do not publish any more, and with a new socket all of them: it tells who speaks, if anybody has spoken. */
  #forgetSpeakers() {
    const isThere = (id: string) =>
      this.#isAdmitted && this.participants.some(participant => participant?.id === id);
    const speaking = this.speaking.filter(isThere);
    const speaker = this.speaker !== undefined && isThere(this.speaker) ? this.speaker : undefined;
    this.#isAdmitted = true;
    if (speaker === this.speaker && speaking.length === this.speaking.length) return;
    this.speaker = speaker;
    this.speaking = speaking;
    this.dispatchEvent(new Event("speakerchange"));
  }

  /** @param type Of the answer. */
  #onRefused(type: string, payload: Record<string, unknown>) {
    const refusal = { type: type.replace(/_ERROR$/, ""), error: readTrouble("JOIN_ERROR", payload).error };
    this.dispatchEvent(Object.assign(new Event("refused"), { refusal }));
  }

  #schedulePing() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#unanswered > 0) {
        this.#onClose(1006, "");
        return;
      }
      this.#unanswered += 1;
      this.#socket?.send(JSON.stringify({ type: "PING" }));
      this.#schedulePing();
    }, PING_MS);
  }

  #onClose(code: number, reason: string) {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    const error = closeError(code, reason) ?? this.#finalError();
    if (error) {
      this.#fail(error);
      return;
    }
    this.error = undefined;
    this.#setState("reconnecting");
    this.#timer = setTimeout(() => this.#open(), this.#retry.next());
  }

  /** It is not opened again. */
  #fail(error: StageError) {
    if (this.state === "closed") return;
    this.error = error;
    this.#setState("failed");
    this.dispatchEvent(errorEvent("error", error));
  }

  /**
   * The error when reconnecting is pointless: the token has expired, or there were too many attempts. A browser gives
   * no reason when a socket is refused before it is open, not even an expired token.
   */
  #finalError() {
    this.#tries += 1;
    if (decodeToken(this.#token).exp * 1000 < Date.now() && !secretOf(this.#token)) {
      return new StageError("the participant token has expired", { code: "TOKEN_EXPIRED" });
    }
    if (this.#tries < TRIES_MAX) return undefined;
    return new StageError(`no answer from ${this.#url}`, { code: "TIMEOUT" });
  }

  #setState(state: EventsState) {
    if (this.state === state || this.state === "closed" || this.state === "failed") return;
    this.state = state;
    if (state === "failed" || state === "closed") this.#settle();
    this.dispatchEvent(new Event("statechange"));
  }
}

/** The error for a close code after which the socket must not reconnect, if it is one. */
function closeError(closeCode: number, reason: string) {
  const final = FINAL.get(closeCode);
  if (!final) return undefined;
  // The reason is a code where a more precise one exists, such as TOKEN_EXPIRED.
  const isCode = /^[A-Z_]+$/.test(reason);
  const message = isCode || !reason ? `the server closed the events socket (${reason || closeCode})` : reason;
  return new StageError(message, { code: isCode ? reason : final, status: closeCode });
}

function readTrouble(category: ErrorCategory, payload: Record<string, unknown>): Trouble {
  const text = (value: unknown) => (typeof value === "string" ? value : undefined);
  const code = text(payload.code) ?? "FAILED";
  return {
    error: new StageError(text(payload.message) ?? code, {
      code,
      category,
      isOver: payload.isOver !== false,
    }),
    session: text(payload.session),
    remoteParticipantId: text(payload.remoteParticipantId),
  };
}

/**
 * Listens to a token's stage. One socket serves all connections made with the token; a second one replaces it.
 * @param url The URL of the stage's events, if it differs from the token's.
 * @param protocols Further sub-protocols, such as that of a connection token.
 */
export function listen(token: string, url?: string, protocols?: readonly string[]) {
  const trimmed = token.trim();
  const { events_url: base, topic } = decodeToken(trimmed);
  return new StageEvents(url ?? `${base}/${topic}`, trimmed, protocols);
}
