// @ts-check
/**
 * Publish to and watch a restage server from a browser: WHIP (RFC 9725) to send, WHEP
 * (draft-ietf-wish-whep) to receive, nothing else needed.
 *
 * ```js
 * import { decodeToken, publish, watch } from "./client.js";
 *
 * const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
 * const outgoing = publish(decodeToken(token).whip_url, token, stream);
 * const incoming = watch(`${whepUrl}/${participantId}`, otherToken, document.querySelector("video"));
 * incoming.addEventListener("statechange", () => console.log(incoming.state));
 * ```
 */

/** How long a connection may be "disconnected" before it is replaced. ICE often heals by itself sooner. */
const HEAL_MS = 2000;
/** Pauses between attempts to connect again: doubled from the first up to the last. */
const RETRY_FIRST_MS = 250;
const RETRY_LAST_MS = 4000;
/** Candidates found within this time go out in one PATCH. */
const TRICKLE_MS = 50;
/** An answer that takes longer than this is given up. */
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * @typedef {"connecting" | "live" | "waiting" | "reconnecting" | "failed" | "closed"} SessionState
 * - `connecting`: first attempt under way
 * - `live`: media can flow
 * - `waiting`: (watching only) the participant is not publishing; asked again until it is
 * - `reconnecting`: the connection was lost and is being replaced
 * - `failed`: the server refused for good, see `error`
 * - `closed`: by {@link MediaSession.close}
 *
 * @typedef {object} TokenPayload What a participant token says, unverified.
 * @property {string} jti The participant id.
 * @property {string} resource The stage's ARN.
 * @property {string} topic The stage's id.
 * @property {string} whip_url Where to publish.
 * @property {string} events_url Where to listen.
 * @property {number} exp Seconds since 1970; no new join after it.
 * @property {string} [user_id]
 * @property {Record<string, string>} [attributes]
 * @property {{allow_publish?: boolean, allow_subscribe?: boolean}} capabilities
 *
 * @typedef {string | (() => string | Promise<string>)} TokenSource A participant token, or where to get one each
 * time a connection is made: for sessions that outlive a token.
 *
 * @typedef {object} PublishOptions
 * @property {"H264" | "VP8"} [videoCodec] The only one to send; if absent, browser and server choose.
 * @property {number} [maxBitrate] Of the video, in bits per second.
 */

/** The server's refusal, or the lack of an answer. */
export class SignallingError extends Error {
  /**
   * @param {string} message
   * @param {number} status The HTTP status; 0 when there was no answer.
   */
  constructor(message, status) {
    super(message);
    this.name = "SignallingError";
    this.status = status;
  }

  /** Whether the same request may succeed later: no answer, an overloaded server, or nobody publishing. */
  get isPassing() {
    return [0, 404, 408, 409, 425, 429].includes(this.status) || this.status >= 500;
  }
}

/**
 * Reads a participant token's payload without verifying it (only the server can).
 * @param {string} token
 * @returns {TokenPayload}
 */
export function decodeToken(token) {
  const payload = token.trim().split(".")[1];
  if (!payload) throw new TypeError("a participant token has three parts separated by dots");
  const binary = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
  const text = new TextDecoder().decode(Uint8Array.from(binary, char => char.charCodeAt(0)));
  return JSON.parse(text);
}

/**
 * The trickle fragment (RFC 8840) that carries candidates of one ICE generation.
 * @param {string} sdp The local description they belong to.
 * @param {RTCIceCandidate[]} candidates
 * @param {boolean} isComplete Whether these were the last.
 */
export function trickleFragment(sdp, candidates, isComplete) {
  const lines = sdp.split(/\r?\n/);
  const credentials = lines.filter(line => /^a=ice-(ufrag|pwd):/.test(line)).slice(0, 2);
  const fragment = [...credentials];
  for (const section of mediaSections(lines)) {
    const own = candidates.filter(candidate => candidate.sdpMid === section.mid);
    const isTagged = isComplete && section.isFirst;
    if (own.length === 0 && !isTagged) continue;
    fragment.push(section.line, `a=mid:${section.mid}`);
    for (const candidate of own) fragment.push(`a=${candidate.candidate}`);
    if (isTagged) fragment.push("a=end-of-candidates");
  }
  return `${fragment.join("\r\n")}\r\n`;
}

/**
 * @param {string[]} lines
 * @returns {{line: string, mid: string, isFirst: boolean}[]}
 */
function mediaSections(lines) {
  /** @type {{line: string, mid: string, isFirst: boolean}[]} */
  const sections = [];
  for (const line of lines) {
    if (line.startsWith("m=")) sections.push({ line, mid: "", isFirst: sections.length === 0 });
    const last = sections.at(-1);
    if (last && line.startsWith("a=mid:")) last.mid = line.slice("a=mid:".length);
  }
  return sections;
}

/**
 * One publication or subscription that keeps itself alive. Fires `statechange`; for a subscription also
 * `streamchange` when a new connection brought a new stream.
 */
export class MediaSession extends EventTarget {
  /** @type {SessionState} */
  state = "connecting";
  /** @type {SignallingError | undefined} Why the last attempt failed. */
  error;
  /** @type {RTCPeerConnection | undefined} The connection in use; replaced when it is lost. */
  connection;
  /** @type {MediaStream | undefined} What is received. */
  stream;
  /** Settles with the first `live`, or rejects with `failed` or `closed`. @type {Promise<void>} */
  ready;

  #url;
  #token;
  #prepare;
  #retryMs = RETRY_FIRST_MS;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Resource | undefined} */
  #resource;
  /** @type {{resolve: () => void, reject: (reason: Error) => void}} */
  #settle;

  /**
   * Use {@link publish} or {@link watch}.
   * @param {string} url
   * @param {TokenSource} token
   * @param {(connection: RTCPeerConnection, session: MediaSession) => void | Promise<void>} prepare
   */
  constructor(url, token, prepare) {
    super();
    this.#url = url;
    this.#token = token;
    this.#prepare = prepare;
    /** @type {{resolve: () => void, reject: (reason: Error) => void}} */
    let settle = { resolve: () => {}, reject: () => {} };
    this.ready = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#settle = settle;
    // A caller that only listens to `statechange` must not be told of an unhandled rejection.
    this.ready.catch(() => {});
    globalThis.addEventListener?.("pagehide", this.#onPageHide);
    this.#connect();
  }

  /** Ends it here and at the server. */
  async close() {
    if (this.state === "closed") return;
    this.#setState("closed");
    await this.#drop();
  }

  #onPageHide = () => {
    this.close();
  };

  async #connect() {
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.connection = connection;
    const trickle = new Trickle(connection);
    connection.addEventListener("connectionstatechange", () => this.#onConnectionState(connection));
    try {
      await this.#prepare(connection, this);
      await connection.setLocalDescription();
      const token = typeof this.#token === "string" ? this.#token : await this.#token();
      const sdp = connection.localDescription?.sdp ?? "";
      const { resource, answer } = await offer(this.#url, token.trim(), sdp);
      if (this.connection !== connection || this.state === "closed") {
        await resource.delete();
        return;
      }
      this.#resource = resource;
      await connection.setRemoteDescription({ type: "answer", sdp: answer });
      trickle.start(resource);
    } catch (cause) {
      if (this.connection !== connection || this.state === "closed") return;
      this.#onAttemptFailed(cause instanceof SignallingError ? cause : new SignallingError(`${cause}`, 400));
    }
  }

  /** @param {RTCPeerConnection} connection */
  #onConnectionState(connection) {
    if (this.connection !== connection) return;
    clearTimeout(this.#timer);
    switch (connection.connectionState) {
      case "connected":
        this.#retryMs = RETRY_FIRST_MS;
        this.#setState("live");
        break;
      case "disconnected":
        this.#timer = setTimeout(() => this.#replace(), HEAL_MS);
        break;
      case "failed":
      case "closed":
        this.#replace();
        break;
    }
  }

  #replace() {
    this.#setState("reconnecting");
    this.#drop();
    this.#connectLater();
  }

  /** @param {SignallingError} error */
  #onAttemptFailed(error) {
    this.error = error;
    this.#drop();
    if (!error.isPassing) {
      this.#setState("failed");
      return;
    }
    if (error.status === 404) this.#setState("waiting");
    this.#connectLater();
  }

  #connectLater() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_LAST_MS);
  }

  async #drop() {
    clearTimeout(this.#timer);
    const resource = this.#resource;
    const connection = this.connection;
    this.#resource = undefined;
    this.connection = undefined;
    // The DELETE goes first: a closed connection ends the resource too, and then the DELETE would find nothing.
    await resource?.delete();
    connection?.close();
  }

  /** @param {SessionState} state */
  #setState(state) {
    if (this.state === state || this.state === "closed" || this.state === "failed") return;
    this.state = state;
    if (state === "live") {
      this.error = undefined;
      this.#settle.resolve();
    }
    if (state === "failed" || state === "closed") {
      globalThis.removeEventListener?.("pagehide", this.#onPageHide);
      this.#settle.reject(this.error ?? new SignallingError("closed before it was live", 0));
    }
    this.dispatchEvent(new Event("statechange"));
  }
}

/**
 * Sends the offer and takes the answer.
 * @param {string} url
 * @param {string} token
 * @param {string} sdp
 */
async function offer(url, token, sdp) {
  const response = await request(url, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" },
    body: sdp,
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  });
  const answer = await response.text();
  if (response.status !== 201) throw new SignallingError(refusal(answer, response.status), response.status);
  const location = response.headers.get("Location");
  if (!location) throw new SignallingError("the server's answer names no Location", 502);
  const resource = new Resource(new URL(location, response.url).href, token, response.headers.get("ETag"));
  return { resource, answer };
}

/** The WHIP or WHEP resource: what the server calls one connection. */
class Resource {
  #url;
  #token;
  #etag;

  /**
   * @param {string} url
   * @param {string} token
   * @param {string | null} etag
   */
  constructor(url, token, etag) {
    this.#url = url;
    this.#token = token;
    this.#etag = etag;
  }

  /**
   * Sends candidates. Whether the server takes them or not: it is reachable at its own candidates.
   * @param {string} fragment
   */
  async patch(fragment) {
    /** @type {Record<string, string>} */
    const headers = {
      Authorization: `Bearer ${this.#token}`,
      "Content-Type": "application/trickle-ice-sdpfrag",
    };
    if (this.#etag) headers["If-Match"] = this.#etag;
    await request(this.#url, { method: "PATCH", headers, body: fragment }).catch(() => {});
  }

  /** Ends it. A server that no longer knows it, or is away, is as good. */
  async delete() {
    const headers = { Authorization: `Bearer ${this.#token}` };
    const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    await request(this.#url, { method: "DELETE", headers, keepalive: true, signal }).catch(() => {});
  }
}

/** Collects candidates from the start and sends them once there is a resource to send them to. */
class Trickle {
  #connection;
  /** @type {Resource | undefined} */
  #resource;
  /** @type {RTCIceCandidate[]} */
  #pending = [];
  #isComplete = false;
  #isScheduled = false;

  /** @param {RTCPeerConnection} connection */
  constructor(connection) {
    this.#connection = connection;
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate?.candidate) this.#pending.push(candidate);
      else this.#isComplete = true;
      this.#schedule();
    });
  }

  /** @param {Resource} resource */
  start(resource) {
    this.#resource = resource;
    if (this.#pending.length > 0 || this.#isComplete) this.#schedule();
  }

  #schedule() {
    if (!this.#resource || this.#isScheduled) return;
    this.#isScheduled = true;
    setTimeout(() => this.#flush(), TRICKLE_MS);
  }

  async #flush() {
    this.#isScheduled = false;
    const sdp = this.#connection.localDescription?.sdp;
    if (!sdp || !this.#resource || this.#connection.signalingState === "closed") return;
    const fragment = trickleFragment(sdp, this.#pending.splice(0), this.#isComplete);
    await this.#resource.patch(fragment);
  }
}

/**
 * `fetch`, with every lack of an answer told as a {@link SignallingError} of status 0.
 * @param {string} url
 * @param {RequestInit} init
 */
async function request(url, init) {
  try {
    return await fetch(url, { cache: "no-store", ...init });
  } catch (cause) {
    throw new SignallingError(`no answer from ${url}: ${cause}`, 0);
  }
}

/**
 * The sentence in an error body, or the status.
 * @param {string} body
 * @param {number} status
 */
function refusal(body, status) {
  try {
    const parsed = JSON.parse(body);
    if (typeof parsed.message === "string") return parsed.message;
  } catch {
    // Not JSON: proxies answer with pages of their own.
  }
  return `the server answered ${status}`;
}

/**
 * Publishes a stream by WHIP, and again whenever the connection is lost.
 * @param {string} url The token's `whip_url`.
 * @param {TokenSource} token With the capability PUBLISH.
 * @param {MediaStream} stream Its tracks stay the caller's to stop.
 * @param {PublishOptions} [options]
 * @returns {MediaSession}
 */
export function publish(url, token, stream, options = {}) {
  return new MediaSession(url, token, connection => {
    for (const track of stream.getTracks()) {
      /** @type {RTCRtpEncodingParameters[]} */
      const sendEncodings =
        track.kind === "video" && options.maxBitrate ? [{ maxBitrate: options.maxBitrate }] : [];
      const transceiver = connection.addTransceiver(track, {
        direction: "sendonly",
        streams: [stream],
        sendEncodings,
      });
      if (track.kind === "video" && options.videoCodec) restrict(transceiver, options.videoCodec);
    }
  });
}

/**
 * Leaves nothing to choose but this codec and what repairs its losses: a server may have an order of its own.
 * @param {RTCRtpTransceiver} transceiver
 * @param {string} name
 */
function restrict(transceiver, name) {
  const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
  const wanted = [`video/${name}`, "video/rtx"].map(type => type.toLowerCase());
  const kept = codecs.filter(codec => wanted.includes(codec.mimeType.toLowerCase()));
  if (kept.some(codec => codec.mimeType.toLowerCase() === wanted[0])) transceiver.setCodecPreferences(kept);
}

/**
 * Watches one participant by WHEP, and again whenever the connection is lost or the participant returns.
 * @param {string} url The subscription's address, which ends in the participant's id.
 * @param {TokenSource} token With the capability SUBSCRIBE.
 * @param {HTMLMediaElement} element Where it is shown. Mute it if it shall start without a gesture.
 * @returns {MediaSession}
 */
export function watch(url, token, element) {
  return new MediaSession(url, token, (connection, session) => {
    const stream = new MediaStream();
    connection.addTransceiver("audio", { direction: "recvonly" });
    connection.addTransceiver("video", { direction: "recvonly" });
    connection.addEventListener("track", ({ track }) => {
      stream.addTrack(track);
      if (session.stream === stream) return;
      session.stream = stream;
      element.srcObject = stream;
      // Refused when the element is not muted and nobody has touched the page: the caller's to offer a button.
      element.play().catch(() => {});
      session.dispatchEvent(new Event("streamchange"));
    });
  });
}
