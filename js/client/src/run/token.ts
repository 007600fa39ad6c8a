/** What a participant token says to its holder. Not verified: only the server can. */

import { decodeToken, isUrl, type TokenPayload } from "../connections/signalling.js";
import type { Permissions } from "../engine/state.js";
import { StageError, StageErrorCategory, StageErrorCode } from "../stage/errors.js";

/** The members that an exchanged token must have like the one before ("Token Exchange" of the user guide). */
const KEPT = ["topic", "resource", "jti", "whip_url", "events_url"] as const;

/** The URLs among them, and their schemes. */
const URLS = { events_url: ["ws", "wss", "http", "https"], whip_url: ["http", "https"] } as const;

const { JOIN_ERROR } = StageErrorCategory;

/** A token without the space that was pasted with it; nothing for what is no text. */
export const trimmed = (token: unknown) => (typeof token === "string" ? token.trim() : "");

/**
 * Reads a token.
 * @throws {StageError} TOKEN_MALFORMED.
 */
export function readToken(token: string): TokenPayload {
  try {
    const payload = decodeToken(token);
    for (const name of KEPT) {
      if (typeof payload[name] !== "string") throw new TypeError(`the participant token has no ${name}`);
    }
    for (const name of ["events_url", "whip_url"] as const) {
      if (!isUrl(payload[name], URLS[name])) {
        throw new TypeError(`${name} of the participant token is no URL of ${URLS[name].join(", ")}`);
      }
    }
    return payload;
  } catch (error) {
    const { message = `${error}` } = error as Partial<Error>;
    throw new StageError(message, StageErrorCode.TOKEN_MALFORMED, JOIN_ERROR);
  }
}

/** What a token allows. */
export function permissionsOf({ capabilities }: TokenPayload): Permissions {
  return {
    publish: capabilities?.allow_publish === true,
    subscribe: capabilities?.allow_subscribe === true,
  };
}

/**
 * Whether one token may be exchanged for another.
 * @throws {StageError} FAILED, naming the member that differs.
 */
export function checkExchange(before: TokenPayload, after: TokenPayload) {
  const changed = KEPT.find(name => before[name] !== after[name]);
  if (!changed) return;
  throw new StageError(`an exchanged token keeps its ${changed}`, StageErrorCode.FAILED, JOIN_ERROR);
}
