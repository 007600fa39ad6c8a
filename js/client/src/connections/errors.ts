/** Errors: a code for the program, and a message for the user. */

/** What was attempted. */
export type ErrorCategory = "JOIN_ERROR" | "PUBLISH_ERROR" | "SUBSCRIBE_ERROR";

export interface ErrorDetails {
  /** See {@link StageError}. */
  code: string;
  /** The HTTP status; 0 when there was no answer or no request. */
  status?: number;
  category?: ErrorCategory;
  /** Whether the connection ended with it. */
  isOver?: boolean;
  /** What was thrown. */
  cause?: unknown;
}

/** Statuses after which the same request may succeed later. */
const PASSING = [0, 404, 408, 409, 425, 429];
/** The same of codes, where there is no status. */
const PASSING_CODES = [
  "TIMEOUT",
  "NO_TOKEN",
  "NO_PEER_CONNECTION",
  "NO_MEDIA_PATH",
  "DTLS_FAILED",
  "ICE_FAILED",
];

/**
 * A failure with its code. Codes are the names of the service's own SDK where it has one: TOKEN_MALFORMED,
 * TOKEN_EXPIRED, TOKEN_NOT_ALLOWED, TIMEOUT (no answer), FAILED, STAGE_AT_CAPACITY, CODEC_MISMATCH, STAGE_DELETED,
 * PARTICIPANT_DISCONNECTED. For other failures there are NO_MEDIA_PATH, DTLS_FAILED, ICE_FAILED, REPLACED (another session
 * with the token took the place), NO_TOKEN (the function that fetches it failed), NO_TRACKS,
 * NO_PEER_CONNECTION (the browser makes no connection, for example because there are too many), and the codes of the server. New codes may be added, so show the message for unknown ones.
 */
export class StageError extends Error {
  readonly code: string;
  /** The HTTP status, or the close code of a socket; 0 when there was no answer or no request. */
  readonly status: number;
  readonly category: ErrorCategory;
  /** Whether the connection ended with it. */
  readonly isOver: boolean;

  constructor(
    message: string,
    { code, status = 0, category = "JOIN_ERROR", isOver = true, cause }: ErrorDetails,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StageError";
    this.code = code;
    this.status = status;
    this.category = category;
    this.isOver = isOver;
  }

  /** Whether the same attempt may succeed later: no answer, no token yet, too many connections here, an overloaded server, or nobody publishing. */
  get isPassing() {
    if (this.status === 0) return PASSING_CODES.includes(this.code);
    return PASSING.includes(this.status) || this.status >= 500;
  }
}

/** The code and message in the body of a refusal or of an ended session, if it can be parsed. */
export function readReason(body: string): { code?: string; message?: string } {
  let parsed: { code?: unknown; message?: unknown; ended?: { code?: unknown; message?: unknown } } | null;
  try {
    parsed = JSON.parse(body);
  } catch {
    // A proxy answered with a page of its own.
    return {};
  }
  // The answer for an ended session has the reason in its member `ended`.
  const said = parsed?.ended ?? parsed;
  const text = (value: unknown) => (typeof value === "string" && value ? value : undefined);
  return { code: text(said?.code), message: text(said?.message) };
}

/** The error of a refused request. */
export function refusal(status: number, body: string, category: ErrorCategory) {
  const { code = "FAILED", message = `the server answered ${status}` } = readReason(body);
  return new StageError(message, { code, status, category });
}

/**
 * The error of a connection whose place another one with the same token has taken.
 * @param message The server's.
 */
export function replaced(
  category: ErrorCategory,
  message: string = "a newer connection with this token took its place",
) {
  return new StageError(message, { code: "REPLACED", category });
}

/** An event that carries an error, like `ErrorEvent`, which some runtimes lack. */
export function errorEvent(type: string, error: StageError) {
  return Object.assign(new Event(type), { error });
}
