/** The HTTP part: the offer, candidates, and the end of a session. */

import type { ErrorCategory } from "./errors.js";
import { readReason, refusal, StageError } from "./errors.js";
import { iceServers } from "./ice_servers.js";
import { keepSecret, secretOf } from "./resumption.js";

/** The header of a resumption secret, in requests and answers. */
const RESUMPTION = "Restage-Resumption";
/** Candidates found within this time go out in one PATCH. */
const TRICKLE_MS = 50;
/** How long to wait for the answer whether a session exists. */
const LOOK_TIMEOUT_MS = 2000;
/** Statuses that mean that it does not exist: unknown, an invalid token, a proxy without a server behind it. */
const NOT_THERE = [401, 403, 404, 410, 502, 503, 504];
/** How long to wait for any other answer. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The payload of a participant token, not verified. */
export interface TokenPayload {
  /** The participant id. */
  jti: string;
  /** The stage's ARN. */
  resource: string;
  /** The stage's id. */
  topic: string;
  /** The URL to publish to. */
  whip_url: string;
  /** The URL of the events socket. */
  events_url: string;
  /** Seconds since 1970; after it the token admits nobody. */
  exp: number;
  user_id?: string;
  attributes?: Record<string, string>;
  capabilities: { allow_publish?: boolean; allow_subscribe?: boolean };
}

/** Whether text has only characters of tokens: base64url and dots. Others fit into no sub-protocol of a socket, and some into no header. */
export const isTokenText = (text: string) => /^[\w.-]+$/.test(text);

/**
 * Whether text is a whole URL with one of these schemes, and without a fragment. Browsers refuse to open sockets of others.
 * @param schemes Such as `https`.
 */
export function isUrl(text: unknown, schemes: readonly string[]) {
  if (typeof text !== "string" || text.includes("#")) return false;
  try {
    return schemes.includes(new URL(text).protocol.slice(0, -1));
  } catch {
    return false;
  }
}

/**
 * Reads a participant token's payload without verifying it (only the server can).
 * @throws {Error} When it is not a token.
 */
export function decodeToken(token: string): TokenPayload {
  if (typeof token !== "string") throw new TypeError("a participant token is text");
  const trimmed = token.trim();
  const [, payload] = trimmed.split(".");
  if (!payload) throw new TypeError("a participant token has three parts separated by dots");
  if (!isTokenText(trimmed))
    throw new TypeError("a participant token has no characters but base64url's and dots");
  const binary = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
  const text = new TextDecoder().decode(Uint8Array.from(binary, char => char.charCodeAt(0)));
  const parsed = JSON.parse(text);
  if (typeof parsed !== "object" || parsed === null)
    throw new TypeError("a participant token has an object in it");
  return parsed;
}

/**
 * The trickle fragment (RFC 8840) that carries candidates of one ICE generation.
 * @param sdp The local description they belong to.
 * @param isComplete Whether these were the last.
 */
export function trickleFragment(sdp: string, candidates: RTCIceCandidate[], isComplete: boolean) {
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

function mediaSections(lines: string[]): { line: string; mid: string; isFirst: boolean }[] {
  const sections: { line: string; mid: string; isFirst: boolean }[] = [];
  for (const line of lines) {
    if (line.startsWith("m=")) sections.push({ line, mid: "", isFirst: sections.length === 0 });
    const last = sections.at(-1);
    if (last && line.startsWith("a=mid:")) last.mid = line.slice("a=mid:".length);
  }
  return sections;
}

/**
 * Sends the offer and returns the answer, and the relays that the server offers.
 * @param category The category of an error.
 * @param more Further headers.
 */
export async function offer(
  url: string,
  token: string,
  sdp: string,
  category: ErrorCategory,
  more: Record<string, string> = {},
) {
  const headers: Record<string, string> = {
    Authorization: `Bearer ${token}`,
    "Content-Type": "application/sdp",
    ...more,
  };
  const secret = secretOf(token);
  if (secret) headers[RESUMPTION] = secret;
  const response = await request(url, {
    method: "POST",
    headers,
    body: sdp,
    signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
  });
  const answer = await response.text();
  if (response.status !== 201) throw refusal(response.status, answer, category);
  keepSecret(token, response.headers.get(RESUMPTION));
  const location = response.headers.get("Location");
  if (!location) {
    throw new StageError("the server's answer names no Location", { code: "FAILED", status: 502, category });
  }
  const resource = new Resource(new URL(location, response.url).href, token, response.headers.get("ETag"));
  return { resource, answer, iceServers: iceServers(response.headers.get("Link")) };
}

/** A WHIP or WHEP resource: the server's session of one connection. */
export class Resource {
  readonly #url: string;
  readonly #token: string;
  #etag: string | null;

  constructor(url: string, token: string, etag: string | null) {
    this.#url = url;
    this.#token = token;
    this.#etag = etag;
  }

  /** The last part of its URL, by which the server names the session in reports. */
  get id() {
    return this.#url.slice(this.#url.lastIndexOf("/") + 1);
  }

  /** Sends candidates. A refusal is ignored, because the server is reachable at its own candidates. */
  async patch(fragment: string) {
    const headers: Record<string, string> = {
      Authorization: `Bearer ${this.#token}`,
      "Content-Type": "application/trickle-ice-sdpfrag",
    };
    if (this.#etag) headers["If-Match"] = this.#etag;
    await request(this.#url, { method: "PATCH", headers, body: fragment }).catch(() => {});
  }

  /**
   * Begins another ICE session, of which the fragment has the client's credentials.
   * @returns The server's.
   */
  async restart(fragment: string): Promise<string> {
    const headers = {
      Authorization: `Bearer ${this.#token}`,
      "Content-Type": "application/trickle-ice-sdpfrag",
      "If-Match": "*",
    };
    const signal = AbortSignal.timeout(LOOK_TIMEOUT_MS);
    const response = await request(this.#url, { method: "PATCH", headers, body: fragment, signal });
    const text = await response.text();
    if (response.status !== 200) throw new StageError(text, { code: "FAILED", status: response.status });
    this.#etag = response.headers.get("ETag");
    return text;
  }

  /** Whether the session exists. True also when the server does not answer, because the network may be down. */
  async isThere(): Promise<boolean> {
    const headers = { Authorization: `Bearer ${this.#token}` };
    const signal = AbortSignal.timeout(LOOK_TIMEOUT_MS);
    try {
      const { status } = await request(this.#url, { method: "GET", headers, signal });
      return !NOT_THERE.includes(status);
    } catch {
      // An immediate failure means that the server is down, unless the browser is offline.
      return signal.aborted || globalThis.navigator?.onLine === false;
    }
  }

  /**
   * Ends the session. Success also when the server does not know it any more or is down. Returns the server's reason
   * why the session was never connected, or why it ended before.
   */
  async delete(timeoutMs: number = ANSWER_TIMEOUT_MS): Promise<{ code?: string; message?: string }> {
    const headers = { Authorization: `Bearer ${this.#token}` };
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const response = await request(this.#url, { method: "DELETE", headers, keepalive: true, signal });
      const { code, message } = readReason(await response.text());
      return code === "NO_SESSION" ? {} : { code, message };
    } catch {
      return {};
    }
  }
}

/** Collects candidates from the start and sends them once the resource is known. */
export class Trickle {
  readonly #connection: RTCPeerConnection;
  #resource: Resource | undefined;
  #pending: RTCIceCandidate[] = [];
  #isComplete = false;
  #isScheduled = false;

  constructor(connection: RTCPeerConnection) {
    this.#connection = connection;
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate?.candidate) this.#pending.push(candidate);
      else this.#isComplete = true;
      this.#schedule();
    });
  }

  start(resource: Resource) {
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

/** `fetch`, which throws a {@link StageError} of status 0 when there is no answer. */
async function request(url: string, init: RequestInit) {
  try {
    return await fetch(url, { cache: "no-store", ...init });
  } catch (cause) {
    throw new StageError(`no answer from ${url}: ${cause}`, { code: "TIMEOUT" });
  }
}
