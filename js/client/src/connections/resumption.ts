/**
 * Resumption secrets: with one, a participant that was admitted to a stage session reconnects after its token has
 * expired,
 * and can watch participants that join later. The page keeps the newest secret of each participant, from whichever
 * connection.
 */

/** Most participants whose secrets are kept; the one that was updated longest ago is dropped first. */
const KEPT_MAX = 64;

const secrets: Map<string, string> = new Map();

/** Identifies the participant of a token. */
function bearer(token: string) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { resource, jti } = JSON.parse(atob(payload));
    return JSON.stringify([resource, jti]);
  } catch {
    return token;
  }
}

/** The newest secret of a token's participant. */
export function secretOf(token: string) {
  return secrets.get(bearer(token));
}

/** Stores the secret that the server issued. */
export function keepSecret(token: string, secret: unknown) {
  if (typeof secret !== "string" || !/^[\w.-]+$/.test(secret)) return;
  const key = bearer(token);
  secrets.delete(key);
  secrets.set(key, secret);
  const [oldest] = secrets.keys();
  if (secrets.size > KEPT_MAX) secrets.delete(oldest);
}
