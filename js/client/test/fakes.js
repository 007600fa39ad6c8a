/** Substitutes for objects of a browser or a server, as far as the client uses them. */

import assert from "node:assert/strict";

/** How long a test waits for a state. */
const DEADLINE_MS = 5000;

/** A token with this payload; the client ignores header and signature. */
export function tokenWith(payload) {
  return `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.c2ln`;
}

/** @returns {HTMLMediaElement} */
export function fakeElement() {
  return /** @type {any} */ ({ srcObject: null, play: async () => {} });
}

/**
 * Waits until `isDone`, a turn of the event loop at a time.
 * @param {() => boolean} isDone
 */
export async function settled(isDone) {
  const endsAt = performance.now() + DEADLINE_MS;
  while (!isDone()) {
    assert.ok(performance.now() < endsAt, `never became true: ${isDone}`);
    await new Promise(resolve => setImmediate(resolve));
  }
}

/**
 * A microphone and a camera.
 * @returns {{stream: MediaStream, tracks: {kind: string, enabled: boolean}[], enabled: () => boolean[]}}
 */
export function fakeCamera() {
  const tracks = ["audio", "video"].map(kind => ({ kind, enabled: true }));
  const stream = /** @type {any} */ ({ getTracks: () => tracks });
  return { stream, tracks, enabled: () => tracks.map(track => track.enabled) };
}

/** A peer connection that a test controls. */
export class FakeConnection extends EventTarget {
  /** @type {FakeConnection[]} */
  static made = [];
  connectionState = "new";
  iceConnectionState = "new";
  /** @type {{sdp: string} | undefined} */
  localDescription;
  /** @type {unknown} */
  remoteDescription;
  offered = "fake offer";

  constructor() {
    super();
    FakeConnection.made.push(this);
  }

  /** Of tracks that were given to be sent. @type {{track: any, enabledAtFirst: boolean, transport: any}[]} */
  senders = [];

  /** @param {any} kindOrTrack */
  addTransceiver(kindOrTrack) {
    if (typeof kindOrTrack === "object") {
      const { transport } = this;
      this.senders.push({ track: kindOrTrack, enabledAtFirst: kindOrTrack.enabled, transport });
    }
    return { setCodecPreferences() {} };
  }

  /** The one transport of all media. */
  transport = Object.assign(new EventTarget(), { state: "new" });

  getSenders() {
    return this.senders;
  }

  getReceivers() {
    return [{ transport: this.transport }];
  }

  /** @param {string} state */
  transportBecomes(state) {
    this.transport.state = state;
    this.transport.dispatchEvent(new Event("statechange"));
  }

  async createOffer() {
    return { type: "offer", sdp: this.offered };
  }

  /** @type {any} */
  configuration;

  /** @param {unknown} configuration */
  setConfiguration(configuration) {
    assert.equal(this.localDescription, undefined, "the relay is known before paths are looked for");
    this.configuration = configuration;
  }

  /** @param {{sdp: string}} description */
  async setLocalDescription(description) {
    this.localDescription = description;
  }

  /** @param {unknown} description */
  async setRemoteDescription(description) {
    this.remoteDescription = description;
  }

  close() {
    this.connectionState = "closed";
  }

  /** @param {string} state */
  become(state) {
    this.connectionState = state;
    this.dispatchEvent(new Event("connectionstatechange"));
  }

  /** @param {string} state */
  iceBecomes(state) {
    this.iceConnectionState = state;
    this.dispatchEvent(new Event("iceconnectionstatechange"));
  }

  /** @param {{sdpMid: string, candidate: string}} candidate */
  find(candidate) {
    this.dispatchEvent(Object.assign(new Event("icecandidate"), { candidate }));
  }
}

/** Answers requests in the expected order. */
export class FakeServer {
  /** @type {{method: string, url: string, answer: Record<string, any>}[]} */
  #expected = [];
  /** @type {string[]} */
  #unexpected = [];
  /** @type {{method: string, url: string, headers: Record<string, string>, body: string}[]} */
  seen = [];

  /**
   * @param {string} method
   * @param {string} url
   * @param {{status: number, location?: string, etag?: string, resumption?: string, link?: string, body?: string, meanwhile?: () =>
   * void}} answer Status 0: no answer.
   */
  expect(method, url, answer) {
    this.#expected.push({ method, url, answer });
  }

  assertOnlyExpected() {
    assert.deepEqual(this.#unexpected, []);
    assert.deepEqual(this.#expected, []);
  }

  /**
   * @param {string} url
   * @param {any} init
   */
  fetch = async (url, init) => {
    this.seen.push({ url, ...init });
    const next = this.#expected.shift();
    if (next?.method !== init.method || next?.url !== url) {
      this.#unexpected.push(`${init.method} ${url}`);
      throw new TypeError("unexpected request");
    }
    const { status, location, etag, resumption, link, body, meanwhile } = next.answer;
    meanwhile?.();
    if (status === 0) throw new TypeError("connection refused");
    const headers = new Headers();
    if (location) headers.set("Location", location);
    if (etag) headers.set("ETag", etag);
    if (link) headers.set("Link", link);
    if (resumption) headers.set("Restage-Resumption", resumption);
    return { status, headers, url, text: async () => body ?? "v=0" };
  };
}

/** A WebSocket that a test controls. */
export class FakeSocket extends EventTarget {
  /** @type {FakeSocket[]} */
  static made = [];
  /** @type {string[]} */
  sent = [];
  isClosed = false;

  /**
   * @param {string} url
   * @param {string[]} protocols
   */
  constructor(url, protocols) {
    super();
    this.url = url;
    this.protocols = protocols;
    FakeSocket.made.push(this);
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(text);
  }

  close() {
    this.isClosed = true;
  }

  /** @param {unknown} message An object, or text as it is. */
  say(message) {
    const data = typeof message === "string" ? message : JSON.stringify(message);
    this.dispatchEvent(Object.assign(new Event("message"), { data }));
  }

  /**
   * @param {number} code
   * @param {string} [reason]
   */
  end(code, reason = "") {
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}
