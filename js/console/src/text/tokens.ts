/** What is in a participant token, and what speaks against it. Only the server can check its signature. */

import { decodeToken, type TokenPayload } from "@restage/client/connections";

import { formatSpan } from "./units";

/** A token may be dated this far ahead, since clocks differ. */
const AHEAD_MAX_S = 300;

/** The claims that pages read, and the date on which it was made. */
export type Claims = TokenPayload & { iat?: number };

/**
 * The claims of a token.
 * @throws {Error} It is none.
 */
export function readClaims(text: string): Claims {
  let claims: Claims;
  try {
    claims = decodeToken(text);
  } catch {
    throw new Error(
      "This is no participant token: it must have three parts with dots between them, and begin with eyJ.",
    );
  }
  if (typeof claims !== "object" || !claims.capabilities || typeof claims.jti !== "string") {
    throw new Error("This is no participant token: it has no capabilities, or no jti.");
  }
  return claims;
}

/** What the participant may do, in words. */
export function describeCapabilities({ capabilities }: Claims): string {
  const named = [capabilities.allow_publish && "publish", capabilities.allow_subscribe && "subscribe"].filter(
    Boolean,
  );
  return named.join(" and ") || "neither publish nor subscribe: it is good for the stage's events alone";
}

/** What speaks against a token by its times. */
export function faultsOfTime({ exp, iat }: Claims, nowMs: number): string[] {
  const nowS = Math.floor(nowMs / 1000);
  const faults = [];
  if (exp <= nowS) faults.push(`it expired ${formatSpan((nowS - exp) * 1000)} ago`);
  if (iat !== undefined && iat > nowS + AHEAD_MAX_S) {
    faults.push(
      `iat: it will be issued in ${formatSpan((iat - nowS) * 1000)}; check the clock of who signs it`,
    );
  }
  return faults;
}

/** The claims as pairs of what and how. */
export function describeClaims(claims: Claims, nowMs: number): [string, string][] {
  const attributes = Object.entries(claims.attributes ?? {}).map(([key, value]) => `${key}=${value}`);
  const left = claims.exp * 1000 - nowMs;
  const until = new Date(claims.exp * 1000).toLocaleString();
  return [
    ["Participant", claims.jti],
    ["Stage", claims.resource],
    ["User id", claims.user_id || "–"],
    ["It may", describeCapabilities(claims)],
    ["Attributes", attributes.join(", ") || "–"],
    ["Expires", left > 0 ? `${until}, in ${formatSpan(left)}` : until],
    ...(claims.iat ? [["Made", new Date(claims.iat * 1000).toLocaleString()] as [string, string]] : []),
    ["Publishes to", claims.whip_url ?? "–"],
    ["Events from", claims.events_url ?? "–"],
  ];
}

/** The server that a token names, if that is not the one of this page: nobody has checked whether it is true. Empty otherwise. */
export function otherServer(whipUrl: string | undefined): string {
  if (!whipUrl || !URL.canParse(whipUrl)) return "";
  const { origin } = new URL(whipUrl);
  return origin === location.origin ? "" : origin;
}

/** The address of the console's own page on which the participant joins. The token is in its fragment, which is sent to nobody. */
export function joinLink(token: string): string {
  const page = location.href.split("#")[0] ?? "";
  return `${page}#/join?token=${token}`;
}

/** What publishes a test picture with a token, in a terminal. */
export const whipLine = (whipUrl: string, token: string): string =>
  [
    "ffmpeg -re -f lavfi -i testsrc2=size=640x360:rate=30 -f lavfi -i sine=frequency=440 \\",
    "    -c:v libx264 -profile:v baseline -tune zerolatency -pix_fmt yuv420p -g 60 -c:a libopus -ac 2 -ar 48000 \\",
    `    -f whip -authorization "${token}" ${whipUrl}`,
  ].join("\n");
