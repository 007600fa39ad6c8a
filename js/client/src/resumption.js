// @ts-check
/**
 * Resumption secrets: with one, a participant who was let into a stage session comes back after its token has expired,
 * and watches who comes later. The page keeps the newest of each participant, whichever connection brought it.
 */

/** Participants whose secrets are kept; the one that was heard of longest ago is forgotten first. */
const KEPT_MAX = 64;

/** @type {Map<string, string>} */
const secrets = new Map();

/**
 * Whose token it is.
 * @param {string} token
 */
function bearer(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { resource, jti } = JSON.parse(atob(payload));
    return JSON.stringify([resource, jti]);
  } catch {
    return token;
  }
}

/**
 * The newest secret of a token's participant.
 * @param {string} token
 */
export function secretOf(token) {
  return secrets.get(bearer(token));
}

/**
 * Keeps what the server gave.
 * @param {string} token
 * @param {unknown} secret
 */
export function keepSecret(token, secret) {
  if (typeof secret !== "string" || !/^[\w.-]+$/.test(secret)) return;
  const key = bearer(token);
  secrets.delete(key);
  secrets.set(key, secret);
  const [oldest] = secrets.keys();
  if (secrets.size > KEPT_MAX) secrets.delete(oldest);
}
