// @ts-check
/** The two calls the console makes of its server. */

/**
 * @typedef {object} Participant
 * @property {string} participantId
 * @property {string} userId
 * @property {Record<string, string>} attributes
 * @property {"CONNECTED" | "DISCONNECTED"} state
 * @property {boolean} publishing
 * @property {"SOURCE" | "REPLICA" | "NONE"} replicationType
 * @property {"ACTIVE" | "STOPPED" | undefined} replicationState
 * @property {string | undefined} sourceStageArn Set on replicas.
 *
 * @typedef {object} Stage
 * @property {string} arn
 * @property {string} name
 * @property {string | undefined} activeSessionId
 * @property {Participant[]} participants
 *
 * @typedef {object} Grant
 * @property {string} token A participant token with only the capability SUBSCRIBE.
 * @property {string} whepUrl Followed by `/` and a participant id it is a subscription's address.
 */

const KEY = "restage-console-key";

/** A grant is asked for again this long before its token ends. */
const GRANT_MARGIN_S = 60;

/** The server does not take the key, or there is none. */
export class KeyRefused extends Error {}

/**
 * The address the server prints ends in `#key=…`. The key is kept for this tab and taken out of the address,
 * so that it is neither bookmarked nor passed on with a copied link.
 */
function takeKey() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (key) {
    sessionStorage.setItem(KEY, key);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem(KEY) ?? "";
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 */
async function call(path, init) {
  const response = await fetch(path, {
    ...init,
    cache: "no-store",
    headers: { Authorization: `Bearer ${takeKey()}`, "Content-Type": "application/json" },
  });
  if (response.status === 401 || response.status === 403) throw new KeyRefused();
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.json();
}

/** @returns {Promise<Stage[]>} */
export async function fetchStages() {
  return (await call("api/state")).stages;
}

/** @type {Map<string, {grant: Grant, untilS: number}>} */
const grants = new Map();

/**
 * Leave to watch a stage. One participant token serves for everybody in it.
 * @param {string} stageArn
 * @param {(token: string) => {exp: number}} decode
 * @returns {Promise<Grant>}
 */
export async function fetchGrant(stageArn, decode) {
  const held = grants.get(stageArn);
  if (held && held.untilS - GRANT_MARGIN_S > Date.now() / 1000) return held.grant;
  const grant = await call("api/watch", { method: "POST", body: JSON.stringify({ stageArn }) });
  grants.set(stageArn, { grant, untilS: decode(grant.token).exp });
  return grant;
}
