// @ts-check
/** All stages of the account: those with a session as the server tells them every second, the others from its list. */

import { listStages } from "./api.js";

/** Rows of a page; the most there may be. */
const PAGE_ROWS = 100;
/** Stages that are loaded at first, and by each wish for more. */
const MORE = 200;
/** Stages that are loaded at all. Whoever has more looks for them with the API. */
export const LOADED_MAX = 2000;
/** Pause between pages, which keeps within a rate of five calls a second. */
const PAGE_PAUSE_MS = 250;
/** How often the list is loaded again. */
const RELOAD_MS = 10_000;

/**
 * @typedef {import("./api.js").Stage} Stage
 * @typedef {import("./api.js").State} State
 * @typedef {{arn: string, name: string, activeSessionId?: string}} Listed
 */

/** @param {number} ms */
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

/** What is known of all stages. */
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
  /** @type {Map<string, Listed>} In the order of the list. */
  #listed = new Map();
  /** @type {Map<string, Listed>} Made here, and perhaps not in the part that is loaded. */
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
   * Takes what the server told, and loads the list anew when it is time.
   * @param {State} state
   */
  take(state) {
    this.#live = state.stages;
    this.hasMoreLive = state.hasMoreStages;
    this.regions = state.regions;
    this.defaultRegion = state.defaultRegion;
    if (this.#isStale || performance.now() - this.#loadedAtMs >= RELOAD_MS) this.#load();
  }

  /** Has the list loaded again with the next state. */
  expire() {
    this.#isStale = true;
  }

  /** Has more stages loaded. */
  more() {
    this.#wanted = Math.min(this.#wanted + MORE, LOADED_MAX);
    this.expire();
  }

  /** Has all stages loaded, to look for one or choose among them. */
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

  /** Stages with a session first, then the newest. @returns {Stage[]} */
  get stages() {
    const live = new Set(this.#live.map(stage => stage.arn));
    const others = [...new Map([...this.#listed, ...this.#created]).values()].reverse();
    const idle = others
      .filter(stage => !live.has(stage.arn))
      .map(({ arn, name, activeSessionId }) => ({
        arn,
        name,
        activeSessionId,
        participants: [],
        hasMoreParticipants: false,
      }));
    return [...this.#live, ...idle];
  }

  async #load() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    this.#isStale = false;
    this.#loadedAtMs = performance.now();
    try {
      const { found, hasMore } = await readList(this.regions, this.#wanted);
      // What was made here is in the list as soon as all of the list is loaded, unless it was deleted.
      if (!hasMore) this.#created.clear();
      this.#listed = found;
      this.hasMore = hasMore;
      this.#onLoad();
    } catch {
      // The server is away, or wants to be asked less often: the list stays as it is until the next time.
    } finally {
      this.#isLoading = false;
    }
  }
}

/**
 * Reads page after page, region after region.
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
