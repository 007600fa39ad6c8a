// @ts-check
/** The calls of the page of compositions. */

import { call, operate, regionOf } from "./api.js";

/**
 * @typedef {"STARTING" | "ACTIVE" | "STOPPING" | "FAILED" | "STOPPED"} CompositionState
 * @typedef {{code: string, reason: string}} Failure
 * @typedef {{width?: number, height?: number, framerate?: number, bitrate?: number}} Video
 *
 * @typedef {object} Summary What ListCompositions has.
 * @property {string} arn
 * @property {string} stageArn
 * @property {CompositionState} state
 * @property {string} startTime
 * @property {string | undefined} endTime
 * @property {Record<string, string>} tags
 * @property {{id: string, state: string, startTime?: string, endTime?: string}[]} destinations
 *
 * @typedef {Record<string, string | number | boolean>} Settings
 *
 * @typedef {object} Destination What GetComposition has.
 * @property {string} id
 * @property {{name?: string, channel?: {channelArn: string, encoderConfigurationArn?: string},
 *   s3?: {storageConfigurationArn: string, encoderConfigurationArns: string[]}}} configuration
 *
 * @typedef {object} Composition What GetComposition has besides.
 * @property {{grid?: Settings, pip?: Settings}} layout
 * @property {Destination[]} destinations
 *
 * @typedef {object} Tile
 * @property {string} participantId
 * @property {string} userId
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 * @property {number} z
 * @property {"PICTURE" | "NAME"} shows
 * @property {{code: "STOPPED" | "CODEC" | "REFUSED" | "NO_PICTURE", text: string} | null} reason
 * @property {number | null} sourceWidth
 * @property {number | null} sourceHeight
 *
 * @typedef {object} Encoding
 * @property {number} width
 * @property {number} height
 * @property {number} framerate
 * @property {number} bitrate
 * @property {number | null} picturesPerSecond
 * @property {Tile[]} tiles
 *
 * @typedef {object} Recent What was counted in the last seconds.
 * @property {number} lastedMs
 * @property {number} ticks
 * @property {number} lateTicks
 * @property {number} skippedPictures
 * @property {number} decodedPerSecond
 * @property {number} undecodable
 * @property {{decode: number, compose: number, encode: number, mix: number}} load
 *
 * @typedef {object} Health
 * @property {number} inputs
 * @property {number} lateTicks
 * @property {number} skippedPictures
 * @property {number} undecodable
 * @property {number} restarts
 * @property {{reason: string, agoMs: number} | null} lastRestart
 * @property {Recent | null} recent
 *
 * @typedef {{composingMs: number | null, encodings: Encoding[], health: Health}} Live
 *
 * @typedef {object} Told What only the operator is told.
 * @property {string} arn
 * @property {CompositionState} state
 * @property {Failure | null} failure
 * @property {{id: string, state: string, channelArn?: string, bucket?: string, prefix?: string, video: Video,
 *   failure: Failure | null, waits?: string, recordingId?: string, durationMs?: number}[]} destinations
 * @property {Live | null} live
 *
 * @typedef {{summary: Summary, got?: Composition, told?: Told}} Item
 *
 * @typedef {{arn: string, name: string, s3: {bucketName: string}}} Storage
 * @typedef {{arn: string, name: string}} Encoder
 */

/** Compositions, and configurations, per page. */
const PAGE_ROWS = 100;
/** Most of each that are loaded. Accounts with more must use the API. */
const LOADED_MAX = 500;

/**
 * All pages of a list.
 * @template T
 * @param {(nextToken: string | undefined) => Promise<{rows: T[], nextToken?: string}>} ask
 */
async function allPages(ask) {
  /** @type {T[]} */
  const all = [];
  /** @type {string | undefined} */
  let nextToken;
  do {
    const page = await ask(nextToken);
    all.push(...page.rows);
    nextToken = page.nextToken;
  } while (nextToken && all.length < LOADED_MAX);
  return { all, hasMore: nextToken !== undefined };
}

/**
 * @param {string} region
 * @returns {Promise<{all: Summary[], hasMore: boolean}>}
 */
export const listCompositions = region =>
  allPages(async nextToken => {
    const page = await operate("ListCompositions", region, { maxResults: PAGE_ROWS, nextToken });
    return { rows: page.compositions, nextToken: page.nextToken };
  });

/**
 * What compositions show, how they do, and which channels there are.
 * @param {string} region
 */
export async function fetchTold(region) {
  /** @type {string[]} */
  let channelArns = [];
  const { all } = await allPages(async nextToken => {
    const query = new URLSearchParams({ region, ...(nextToken ? { nextToken } : {}) });
    const page = await call(`api/compositions?${query}`);
    channelArns = page.channelArns;
    return { rows: /** @type {Told[]} */ (page.compositions), nextToken: page.nextToken };
  });
  return { all, channelArns };
}

/**
 * @param {string} arn
 * @returns {Promise<Composition>}
 */
export const getComposition = async arn =>
  (await operate("GetComposition", regionOf(arn), { arn })).composition;

/**
 * @param {string} stageArn
 * @param {object} layout
 * @param {object[]} destinations
 * @returns {Promise<Summary>}
 */
export const startComposition = async (stageArn, layout, destinations) =>
  (await operate("StartComposition", regionOf(stageArn), { stageArn, layout, destinations })).composition;

/** @param {string} arn */
export const stopComposition = arn => operate("StopComposition", regionOf(arn), { arn });

/** @param {string} region @returns {Promise<Storage[]>} */
export const listStorages = async region => {
  const { all } = await allPages(async nextToken => {
    const page = await operate("ListStorageConfigurations", region, { maxResults: PAGE_ROWS, nextToken });
    return { rows: /** @type {Storage[]} */ (page.storageConfigurations), nextToken: page.nextToken };
  });
  return all;
};

/** @param {string} region @returns {Promise<Encoder[]>} */
export const listEncoders = async region => {
  const { all } = await allPages(async nextToken => {
    const page = await operate("ListEncoderConfigurations", region, { maxResults: PAGE_ROWS, nextToken });
    return { rows: /** @type {Encoder[]} */ (page.encoderConfigurations), nextToken: page.nextToken };
  });
  return all;
};
