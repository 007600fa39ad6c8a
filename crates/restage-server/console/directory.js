// @ts-check
/**
 * All stages of the account: those with a session from the state that the server sends every second, the others from
 * ListStages.
 */

import { listStages } from "./api.js";

/** Stages per page; the most that the API allows. */
const PAGE_ROWS = 100;
/** Stages that are loaded at first, and each time that more are requested. */
const MORE = 200;
/** Most stages that are loaded. Accounts with more stages must use the API. */
export const LOADED_MAX = 2000;
/** Pause between pages, which keeps the console below five calls a second. */
const PAGE_PAUSE_MS = 250;
/** Interval at which the list is loaded again. */
const RELOAD_MS = 10_000;

/**
 * @typedef {import("./api.js").Stage} Stage
 * @typedef {import("./api.js").State} State
 * @typedef {{arn: string, name: string, activeSessionId?: string, tags?: Record<string, string>}} Listed
 */

/** The stage of a check of the network. Its tag tells it from one that somebody else has given that name. */
const CHECK_NAME = "restage-path-check";
const CHECK_TAG = "restage:path-check";
/** @param {{name: string, tags?: Record<string, string>}} stage */
const isOfCheck = ({ name, tags }) => name === CHECK_NAME && (tags === undefined || CHECK_TAG in tags);

/** @param {number} ms */
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

/** The known stages. */
export class Directory {
  /** Whether there are stages that are not loaded. */
  hasMore = false;
  /** Whether stages with a session are missing, and with them their participants. */
  hasMoreLive = false;
  /** @type {string[]} */
  regions = [];
  defaultRegion = "";

  /** @type {Stage[]} */
  #live = [];
  /** @type {Map<string, Listed>} In the order of ListStages. */
  #listed = new Map();
  /** @type {Map<string, Listed>} Created here, and perhaps not among the loaded stages. */
  #created = new Map();
  #wanted = MORE;
  #loadedAtMs = -RELOAD_MS;
  #isLoading = false;
  #isStale = false;
  #onLoad;

  /** @param {() => void} onLoad */
  constructor(onLoad) {
    this.#onLoad = onLoad;
  }

  /**
   * Applies the server's state, and loads the list again when it is due.
   * @param {State} state
   */
  take(state) {
    this.#live = state.stages;
    this.hasMoreLive = state.hasMoreStages;
    this.regions = state.regions;
    this.defaultRegion = state.defaultRegion;
    if (this.#isStale || performance.now() - this.#loadedAtMs >= RELOAD_MS) this.#load();
  }

  /** Makes the list be loaded again with the next state. */
  expire() {
    this.#isStale = true;
  }

  /** Loads more stages. */
  more() {
    this.#wanted = Math.min(this.#wanted + MORE, LOADED_MAX);
    this.expire();
  }

  /** Loads all stages, for search and choice. */
  all() {
    if (!this.hasMore || this.#wanted === LOADED_MAX) return;
    this.#wanted = LOADED_MAX;
    this.expire();
  }

  /** @param {Listed} stage */
  add(stage) {
    this.#created.set(stage.arn, stage);
    this.expire();
  }

  /** Stages with a session first, then the newest; without those of checks of the network. @returns {Stage[]} */
  get stages() {
    const live = new Set(this.#live.map(stage => stage.arn));
    const others = [...new Map([...this.#listed, ...this.#created]).values()].reverse();
    const idle = others
      .filter(stage => !live.has(stage.arn) && !isOfCheck(stage))
      .map(({ arn, name, activeSessionId }) => ({
        arn,
        name,
        activeSessionId,
        participants: [],
        hasMoreParticipants: false,
      }));
    const known = this.#live.filter(({ arn, name }) => !isOfCheck(this.#listed.get(arn) ?? { name }));
    return [...known, ...idle];
  }

  async #load() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    this.#isStale = false;
    this.#loadedAtMs = performance.now();
    try {
      const { found, hasMore } = await readList(this.regions, this.#wanted);
      // Stages that were created here are in the complete list, unless they were deleted.
      if (!hasMore) this.#created.clear();
      this.#listed = found;
      this.hasMore = hasMore;
      this.#onLoad();
    } catch {
      // The server is down, or limits the rate: the list stays as it is until the next time.
    } finally {
      this.#isLoading = false;
    }
  }
}

/**
 * Reads one page after the other, region by region.
 * @param {string[]} regions
 * @param {number} wanted
 */
async function readList(regions, wanted) {
  /** @type {Map<string, Listed>} */
  const found = new Map();
  for (const region of regions) {
    /** @type {string | undefined} */
    let nextToken;
    do {
      if (found.size >= wanted) return { found, hasMore: true };
      if (found.size > 0) await pause(PAGE_PAUSE_MS);
      const page = await listStages(region, Math.min(PAGE_ROWS, wanted - found.size), nextToken);
      for (const stage of page.stages) found.set(stage.arn, stage);
      nextToken = page.nextToken;
    } while (nextToken);
  }
  return { found, hasMore: false };
}
