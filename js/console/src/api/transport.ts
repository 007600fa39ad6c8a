/**
 * Sends calls to the server. It hides by which of the two ways somebody is signed in: with an access key each call is signed, and an
 * operation goes straight to its own path; with the console's key it goes through `/console/api/call/`.
 */

import { Refused, ServerAway, SignInNeeded } from "./errors";
import { type Session, session } from "./session";

/** Calls that take longer than this are aborted. */
const ANSWER_TIMEOUT_MS = 10_000;
/** The operations that are restage's own, whose paths begin with `restage/`. */
const OWN = new Set([
  "ListRecordings",
  "GetRecording",
  "PauseRecording",
  "ResumeRecording",
  "GetRecordingUrl",
]);
/** The error of a key that may do less than it was asked to; its signature is as it should be. */
const DENIED = "AccessDeniedException";

/** The page is `<base>/console/`; the API is at `<base>/`. */
const CONSOLE = new URL("./", location.href.split("#")[0]);
const BASE = new URL("../", CONSOLE);

/** The URL of the API, for programs. */
export const apiUrl = (): string => BASE.href.replace(/\/$/, "");

interface Options {
  method?: "GET" | "POST";
  body?: unknown;
  /** The Region that the call is about; that of the session if it is about none. */
  region?: string;
  /** Whether it may outlive the page. */
  keepalive?: boolean;
}

/** Calls the console's own API, below `/console/api/`. */
export function call<T>(path: string, options: Options = {}): Promise<T> {
  return send<T>(new URL(`api/${path}`, CONSOLE), options);
}

/**
 * Calls an operation of the API. With the console's key the server decides which operations it may be.
 * @throws {Refused} What the operation answers instead.
 */
export function operate<T>(operation: string, region: string, input: object): Promise<T> {
  const options: Options = { method: "POST", body: input, region };
  if (session.value?.kind === "access") {
    const prefix = OWN.has(operation) ? "restage/" : "";
    return send<T>(new URL(prefix + operation, BASE), options);
  }
  return call<T>(`call/${operation}?region=${encodeURIComponent(region)}`, options);
}

async function send<T>(url: URL, options: Options): Promise<T> {
  const by = session.value;
  if (!by) throw new SignInNeeded("");
  let response = await request(by, url, options);
  // A device whose clock is wrong signs again with the server's time.
  if (by.kind === "access" && response.status === 403 && by.signer.adjust(response.headers.get("Date"))) {
    response = await request(by, url, options);
  }
  const answer = await response.json().catch(() => undefined);
  if (response.ok) return answer as T;
  const code = response.headers.get("x-amzn-errortype") ?? answer?.code ?? "";
  const message: string = answer?.message ?? `the server answered ${response.status}`;
  if (response.status === 401) {
    throw new SignInNeeded(by.kind === "key" ? "The server does not take this key." : message);
  }
  // Of refusals with 403 only this one is about what was asked, and not about who asked.
  if (by.kind === "access" && response.status === 403 && code !== DENIED && code.endsWith("Exception")) {
    throw new SignInNeeded(message);
  }
  throw new Refused(message, code, response.status);
}

async function request(by: Session, url: URL, options: Options): Promise<Response> {
  const { method = "GET", keepalive = false } = options;
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const plain: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  const headers =
    by.kind === "key"
      ? { ...plain, authorization: `Bearer ${by.key}` }
      : await by.signer.sign({ method, url, headers: plain, body }, options.region || by.region);
  try {
    return await fetch(url, {
      method,
      body,
      headers,
      keepalive,
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
  } catch {
    throw new ServerAway();
  }
}
