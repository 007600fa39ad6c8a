/** A connection that several stages share: the class of the service's SDK. */

import { Retry } from "../connections/retry.js";
import { decodeToken, isUrl } from "../connections/signalling.js";
import { SharedReceiver } from "../receive/shared.js";
import { TypedEmitter } from "./emitter.js";
import { RealTimeConnectionError, RealTimeConnectionErrorCode } from "./errors.js";

/** The header and the sub-protocol that show the connection token. */
const HEADER = "Restage-Connection";
const PROTOCOL = "restage-connection.";
/** Interval between pings; after the second one without an answer the socket is replaced. */
const PING_MS = 10_000;
/** The longest wait between attempts to reconnect. */
const RETRY_LAST_MS = 8000;
/** Without a connection for this long, the connection is given up. */
const GIVE_UP_MS = 30_000;
/** The longest a token lives ("Connection tokens" of the user guide), and how far its clock may be off. */
const LIFE_MAX_S = 28 * 24 * 3600;

/** Close codes after which the socket must not be opened again. */
const CLOSED = { MALFORMED: 4401, REVOKED: 4403, REPLACED: 4409 } as const;

const { CONNECTION_TOKEN_INVALID, CONNECTION_TOKEN_EXPIRED, CONNECTION_FAILED } = RealTimeConnectionErrorCode;

export enum RealTimeConnectionState {
  DISCONNECTED = "disconnected",
  CONNECTING = "connecting",
  CONNECTED = "connected",
}

export interface RealTimeConnectionEventMap {
  /** With the error, if it was lost for good. */
  stateChanged: [state: RealTimeConnectionState, error?: RealTimeConnectionError];
}

/** The payload of a connection token, not verified. */
interface ConnectionPayload {
  jti: string;
  exp: number;
  iat: number;
  account_id: string;
  region: string;
  events_url: string;
}

/** Why a connection ended: by the application, by the server or the network, or because its token was revoked. */
export type ConnectionEnd = "asked" | "lost" | "revoked";

/** A stage that uses the connection. */
interface Member {
  leave(why: ConnectionEnd, error?: RealTimeConnectionError): void;
}

/**
 * A connection that stages of one account and Region share: what they receive comes by one transport, which stays when one stage is left and
 * another one joined. It is made from a connection token, handed to stages in their configuration, opened by the first {@link Stage.join} or by
 * {@link connect} beforehand, and has to outlive its stages. RevokeConnectionToken ends it and everything
 * that its stages do. Each stage needs a participant token all the same.
 */
export class RealTimeConnection extends TypedEmitter<RealTimeConnectionEventMap> {
  readonly #token: string;
  readonly #payload: ConnectionPayload;
  readonly #members = new Set<Member>();
  readonly #retry = new Retry(RETRY_LAST_MS);
  #state = RealTimeConnectionState.DISCONNECTED;
  #socket: WebSocket | undefined;
  #receiver: SharedReceiver | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #giveUpTimer: ReturnType<typeof setTimeout> | undefined;
  #unanswered = 0;
  /** How often it was connected or ended: what was begun before is late. */
  #opening = 0;

  /** @throws {RealTimeConnectionError} CONNECTION_TOKEN_INVALID or CONNECTION_TOKEN_EXPIRED. */
  constructor(connectionToken: string) {
    super();
    this.#token = typeof connectionToken === "string" ? connectionToken.trim() : "";
    this.#payload = readConnectionToken(this.#token);
    this.#checkExpiry();
  }

  get state(): RealTimeConnectionState {
    return this.#state;
  }

  /**
   * Opens the connection; nothing happens where it is open.
   * @throws {RealTimeConnectionError} CONNECTION_TOKEN_EXPIRED.
   */
  connect() {
    if (this.#state !== RealTimeConnectionState.DISCONNECTED) return;
    this.#checkExpiry();
    this.#opening += 1;
    this.#retry.reset();
    this.#set(RealTimeConnectionState.CONNECTING);
    this.#giveUpLater();
    this.#open();
  }

  /** Closes the connection and leaves every stage that uses it. It can be connected again. */
  disconnect() {
    this.#end("asked");
  }

  /** @internal */
  credentials() {
    return { headers: { [HEADER]: this.#token }, protocols: [`${PROTOCOL}${this.#token}`] };
  }

  /** @internal */
  receiver(): SharedReceiver {
    const isOpen = () => this.#state === RealTimeConnectionState.CONNECTED && this.#socket !== undefined;
    this.#receiver ??= new SharedReceiver({
      get isOpen() {
        return isOpen();
      },
      tell: (type, payload) => {
        if (isOpen()) this.#socket?.send(JSON.stringify({ type, payload }));
      },
    });
    return this.#receiver;
  }

  /** @internal */
  add(member: Member) {
    this.connect();
    this.#members.add(member);
  }

  /** @internal */
  remove(member: Member) {
    this.#members.delete(member);
  }

  #checkExpiry() {
    if (this.#payload.exp * 1000 > Date.now()) return;
    throw new RealTimeConnectionError("the connection token has expired", CONNECTION_TOKEN_EXPIRED);
  }

  #open() {
    const base = this.#payload.events_url.replace(/\/events\/*$/, "").replace(/\/+$/, "");
    this.#unanswered = 0;
    let socket: WebSocket;
    try {
      socket = new WebSocket(`${base}/connection`, [this.#token]);
    } catch (cause) {
      this.#onUnopenable(cause);
      return;
    }
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      if (this.#socket === socket) this.#take(`${data}`);
    });
    socket.addEventListener("open", () => {
      if (this.#socket === socket) this.#schedulePing();
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (this.#socket === socket) this.#onClose(code, reason);
    });
  }

  /** The runtime refuses the socket, or has none: it would again. Told later, when whoever connects is a member. */
  #onUnopenable(cause: unknown) {
    const opening = this.#opening;
    queueMicrotask(() => {
      if (this.#opening !== opening) return;
      this.#end("lost", new RealTimeConnectionError(`no socket can be opened: ${cause}`, CONNECTION_FAILED));
    });
  }

  #take(text: string) {
    this.#unanswered = 0;
    let message: { type?: unknown; payload?: unknown } | null;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    const { type, payload } = message ?? {};
    if (type !== "CONNECTION_STATE") {
      const isObject = typeof payload === "object" && payload !== null;
      if (typeof type === "string" && isObject)
        this.#receiver?.take(type, payload as Record<string, unknown>);
      return;
    }
    this.#retry.reset();
    clearTimeout(this.#giveUpTimer);
    this.#set(RealTimeConnectionState.CONNECTED);
    this.#receiver?.opened();
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
    const isFinal = (Object.values(CLOSED) as number[]).includes(code);
    if (isFinal) {
      const error = new RealTimeConnectionError(
        `the server closed the connection (${reason || code})`,
        code === CLOSED.MALFORMED ? CONNECTION_TOKEN_INVALID : CONNECTION_FAILED,
      );
      this.#end(code === CLOSED.REVOKED ? "revoked" : "lost", error);
      return;
    }
    if (this.#state === RealTimeConnectionState.CONNECTED) this.#giveUpLater();
    this.#set(RealTimeConnectionState.CONNECTING);
    this.#timer = setTimeout(() => this.#open(), this.#retry.next());
  }

  #giveUpLater() {
    clearTimeout(this.#giveUpTimer);
    this.#giveUpTimer = setTimeout(() => {
      const message = `no connection for ${GIVE_UP_MS / 1000} s`;
      this.#end("lost", new RealTimeConnectionError(message, CONNECTION_FAILED));
    }, GIVE_UP_MS);
  }

  #end(why: ConnectionEnd, error?: RealTimeConnectionError) {
    if (this.#state === RealTimeConnectionState.DISCONNECTED) return;
    clearTimeout(this.#timer);
    clearTimeout(this.#giveUpTimer);
    this.#opening += 1;
    this.#receiver?.close();
    this.#receiver = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
    const members = [...this.#members];
    this.#members.clear();
    // Whoever joins again because of it finds a connection that can be connected.
    this.#set(RealTimeConnectionState.DISCONNECTED, error);
    for (const member of members) member.leave(why, error);
  }

  #set(state: RealTimeConnectionState, error?: RealTimeConnectionError) {
    if (this.#state === state) return;
    this.#state = state;
    this.emit("stateChanged", state, error);
  }
}

function readConnectionToken(token: string): ConnectionPayload {
  const invalid = (why: string) =>
    new RealTimeConnectionError(`the connection token ${why}`, CONNECTION_TOKEN_INVALID);
  let payload: ConnectionPayload;
  try {
    payload = decodeToken(token) as unknown as ConnectionPayload;
  } catch {
    throw invalid("cannot be read");
  }
  for (const name of ["jti", "account_id", "region", "events_url"] as const) {
    if (typeof payload?.[name] !== "string" || !payload[name]) throw invalid(`has no ${name}`);
  }
  if (!isUrl(payload.events_url, ["ws", "wss", "http", "https"])) {
    throw invalid("has an events_url that is no URL of ws, wss, http, https");
  }
  const { exp, iat } = payload;
  if (typeof exp !== "number" || typeof iat !== "number") throw invalid("has no exp and iat in seconds");
  if (exp - iat > LIFE_MAX_S) throw invalid("is valid for more than four weeks");
  return payload;
}
