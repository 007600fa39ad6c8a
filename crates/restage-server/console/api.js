// @ts-check
/** The console's calls to its server. */

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
 * @property {"ONLY" | "COMMON" | "FIRST" | "SECOND" | null} ingest What it is of its ingest configuration: the only
 *   participant, or of a redundant ingest what viewers see, or the stream of one of the two encoders.
 *
 * @typedef {object} Stage
 * @property {string} arn
 * @property {string} name
 * @property {string | undefined} activeSessionId
 * @property {Participant[]} participants
 * @property {boolean} hasMoreParticipants
 *
 * @typedef {object} State
 * @property {Stage[]} stages Those with a session in progress.
 * @property {boolean} hasMoreStages
 * @property {string[]} regions The regions with stages.
 * @property {string} defaultRegion The region in which the first stage is created.
 *
 * @typedef {object} Grant
 * @property {string} token A participant token with only the capability SUBSCRIBE.
 * @property {string} whepUrl With `/` and a participant id appended, it is the address of a subscription.
 * @property {string} eventsUrl The path of the stage's events socket on this page's origin.
 *
 * @typedef {object} Recording
 * @property {string} recordingId
 * @property {string} stageArn
 * @property {string | undefined} stageName Of a stage that has a name and was not deleted.
 * @property {string} participantId
 * @property {string | undefined} userId Of a participant that has one and is still known.
 * @property {string | undefined} sourceStageArn Set on recordings of replicas.
 * @property {"STARTING" | "ACTIVE" | "STOPPING" | "STOPPED" | "FAILED"} recordingState
 * @property {boolean} paused
 * @property {string[]} mediaTypes
 * @property {string[]} thumbnailStorage Empty if there are no thumbnails.
 * @property {string} creationTime
 * @property {string | undefined} startTime
 * @property {number | undefined} durationMs Known when everything is in the bucket.
 * @property {string | undefined} statusMessage
 * @property {string | undefined} errorCode
 * @property {string | undefined} errorMessage
 *
 * @typedef {object} RecordingLink
 * @property {string} base What stands before the path of an object, on this page's origin.
 * @property {string | undefined} playlist The playlist, on this page's origin.
 * @property {string} shared The URL of the playlist for other programs.
 *
 * @typedef {object} PathCheck
 * @property {string} stageArn The stage that exists for this check only.
 * @property {string} token A participant token with the capability PUBLISH.
 * @property {string} whipUrl
 * @property {number} nowMs The server's time, in milliseconds since 1970.
 * @property {number} askedMs This device's time at the same moment, as far as it can be known.
 * @property {boolean} hasTls Whether the server's listeners serve TLS.
 *
 * @typedef {object} NewToken
 * @property {string} participantId
 * @property {string} token
 * @property {string} expirationTime
 */

const KEY = "restage-console-key";

/** A new grant is fetched this long before the token of the old one expires. */
const GRANT_MARGIN_S = 60;
/** Calls that take longer than this are aborted. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The server refuses the key, or there is no key. */
export class KeyRefused extends Error {
  constructor() {
    super("the console's key is missing, or not the server's: enter it first");
  }
}

/** The server does not respond. */
export class ServerAway extends Error {
  constructor() {
    super("The server does not answer.");
  }
}

/** The server refuses the call; the message is the server's. */
export class Refused extends Error {}

/**
 * The address that the server prints ends in `#key=…`. The key is kept for this tab and removed from the address,
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

/** Whether there is a key to try. */
export const hasKey = () => takeKey() !== "";

/**
 * Takes a key that was typed or pasted, also as the whole address.
 * @param {string} text
 */
export function setKey(text) {
  const key = /#key=([^&\s]+)/.exec(text)?.[1] ?? text.trim();
  sessionStorage.setItem(KEY, key);
}

/**
 * Calls the console's own API.
 * @param {string} path
 * @param {RequestInit} [init]
 */
export async function call(path, init) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, {
      ...init,
      cache: "no-store",
      headers: { Authorization: `Bearer ${takeKey()}`, "Content-Type": "application/json" },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
  } catch {
    throw new ServerAway();
  }
  if (response.status === 401) throw new KeyRefused();
  const answer = await response.json().catch(() => undefined);
  if (!response.ok) throw new Refused(answer?.message ?? `the server answered ${response.status}`);
  return answer;
}

/** @returns {Promise<State>} */
export const fetchState = () => call("api/state");

/**
 * Calls an operation of the API. The server decides which operations the console may call.
 * @param {string} operation
 * @param {string} region
 * @param {object} request
 */
export const operate = (operation, region, request) =>
  call(`api/call/${operation}?region=${encodeURIComponent(region)}`, {
    method: "POST",
    body: JSON.stringify(request),
  });

/** @param {string} arn */
export const regionOf = arn => arn.split(":")[3] ?? "";

/** @param {string} arn */
export const idOf = arn => arn.slice(arn.lastIndexOf("/") + 1);

/**
 * @param {string} region
 * @param {number} maxResults
 * @param {string} [nextToken]
 * @returns {Promise<{stages: import("./directory.js").Listed[], nextToken?: string}>}
 */
export const listStages = (region, maxResults, nextToken) =>
  operate("ListStages", region, { maxResults, nextToken });

/**
 * @param {string} region
 * @param {string} name
 * @returns {Promise<{arn: string, name: string}>}
 */
export async function createStage(region, name) {
  return (await operate("CreateStage", region, name ? { name } : {})).stage;
}

/**
 * @param {string} stageArn
 * @param {{userId?: string, capabilities: string[], duration: number}} wishes The duration is in minutes.
 * @returns {Promise<NewToken>}
 */
export async function createToken(stageArn, wishes) {
  const request = { stageArn, ...wishes };
  return (await operate("CreateParticipantToken", regionOf(stageArn), request)).participantToken;
}

/**
 * @param {string} sourceStageArn
 * @param {string} destinationStageArn
 * @param {string} participantId
 * @param {number} reconnectWindowSeconds
 */
export const startReplication = (
  sourceStageArn,
  destinationStageArn,
  participantId,
  reconnectWindowSeconds,
) =>
  operate("StartParticipantReplication", regionOf(sourceStageArn), {
    sourceStageArn,
    destinationStageArn,
    participantId,
    reconnectWindowSeconds,
  });

/**
 * @param {string} sourceStageArn
 * @param {string} destinationStageArn
 * @param {string} participantId
 */
export const stopReplication = (sourceStageArn, destinationStageArn, participantId) =>
  operate("StopParticipantReplication", regionOf(sourceStageArn), {
    sourceStageArn,
    destinationStageArn,
    participantId,
  });

/**
 * @param {string} stageArn
 * @param {string} participantId
 */
export const disconnect = (stageArn, participantId) =>
  operate("DisconnectParticipant", regionOf(stageArn), { stageArn, participantId, reason: "console" });

/**
 * Begins a check of the paths of media. The server ends it by itself after some minutes.
 * @param {string} region
 * @returns {Promise<PathCheck>}
 */
export async function beginPathCheck(region) {
  const askedMs = Date.now();
  const check = await call(`api/path-check?region=${encodeURIComponent(region)}`, { method: "POST" });
  return { ...check, askedMs: (askedMs + Date.now()) / 2 };
}

/** @param {PathCheck} check */
export const endPathCheck = ({ stageArn }) =>
  call("api/path-check/end", { method: "POST", body: JSON.stringify({ stageArn }), keepalive: true });

/**
 * @param {string} region
 * @param {number} maxResults
 * @param {string} [nextToken]
 * @returns {Promise<{recordings: Recording[], nextToken?: string}>}
 */
export const listRecordings = (region, maxResults, nextToken) =>
  operate("ListRecordings", region, { maxResults, nextToken });

/**
 * @param {Recording} recording
 * @param {boolean} isPaused
 */
export const pauseRecording = ({ recordingId, stageArn }, isPaused) =>
  operate(isPaused ? "PauseRecording" : "ResumeRecording", regionOf(stageArn), { recordingId });

/** @type {Map<string, {link: RecordingLink, untilMs: number}>} */
const links = new Map();

/**
 * A link to the objects of a recording. It works for some minutes.
 * @param {Recording} recording
 * @param {boolean} isFresh Whether it must be a new one.
 * @returns {Promise<RecordingLink>}
 */
export async function fetchRecordingLink({ recordingId, stageArn }, isFresh) {
  const held = links.get(recordingId);
  if (held && !isFresh && held.untilMs - GRANT_MARGIN_S * 1000 > Date.now()) return held.link;
  const answer = await operate("GetRecordingUrl", regionOf(stageArn), { recordingId });
  const { url, playlistUrl, expirationTime } = answer.recordingUrl;
  // The public URL may name another host than the one by which this page was opened. The console is beside /recordings/.
  const here = (/** @type {string} */ there) =>
    new URL(`..${there.slice(there.indexOf("/recordings/"))}`, location.href).href;
  const link = { base: here(url), playlist: playlistUrl && here(playlistUrl), shared: playlistUrl ?? url };
  links.set(recordingId, { link, untilMs: Date.parse(expirationTime) });
  return link;
}

/** @type {Map<string, {grant: Grant, untilS: number}>} */
const grants = new Map();

/**
 * Permission to watch a stage. One participant token serves for all its participants.
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
