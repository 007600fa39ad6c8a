/**
 * All stages of the account: those with a session from the state that the server sends every second, the others from
 * ListStages.
 */

import { listStages } from "./operations";
import type { ListedStage, Stage, State } from "./types";

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

/** The stage of a check of the network. Its tag tells it from one that somebody else has given that name. */
const CHECK_NAME = "restage-path-check";
const CHECK_TAG = "restage:path-check";

const isOfCheck = ({ name, tags }: { name: string; tags?: Record<string, string> }) =>
  name === CHECK_NAME && (tags === undefined || CHECK_TAG in tags);

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

/** The known stages. */
export class Directory {
  /** Whether there are stages that are not loaded. */
  hasMore = false;
  /** Whether stages with a session are missing, and with them their participants. */
  hasMoreLive = false;
  regions: string[] = [];
  defaultRegion = "";
  /** Whether the list has been loaded once. */
  isLoaded = false;

  #live: Stage[] = [];
  /** In the order of ListStages. */
  #listed = new Map<string, ListedStage>();
  /** Created here, and perhaps not among the loaded stages. */
  readonly #created = new Map<string, ListedStage>();
  /** Deleted here, and perhaps still in a list that was asked for before. */
  readonly #deleted = new Set<string>();
  #wanted = MORE;
  #loadedAtMs = -RELOAD_MS;
  #isLoading = false;
  #isStale = false;
  readonly #onLoad;

  constructor(onLoad: () => void) {
    this.#onLoad = onLoad;
  }

  /** Applies the server's state, and loads the list again when it is due. */
  take(state: State): void {
    this.#live = state.stages;
    this.hasMoreLive = state.hasMoreStages;
    this.regions = state.regions;
    this.defaultRegion = state.defaultRegion;
    if (this.#isStale || performance.now() - this.#loadedAtMs >= RELOAD_MS) void this.#load();
  }

  /** Loads more stages. */
  more(): void {
    this.#wanted = Math.min(this.#wanted + MORE, LOADED_MAX);
    this.#isStale = true;
  }

  /** Loads all stages, for search and choice. */
  all(): void {
    if (!this.hasMore || this.#wanted === LOADED_MAX) return;
    this.#wanted = LOADED_MAX;
    this.#isStale = true;
  }

  add(stage: ListedStage): void {
    this.#created.set(stage.arn, stage);
    this.#isStale = true;
  }

  remove(arn: string): void {
    this.#created.delete(arn);
    this.#listed.delete(arn);
    this.#deleted.add(arn);
    this.#isStale = true;
  }

  /** Stages with a session first, then the newest; without those of checks of the network. */
  get stages(): Stage[] {
    const live = new Set(this.#live.map(stage => stage.arn));
    const others = [...new Map([...this.#listed, ...this.#created]).values()].reverse();
    const idle = others
      .filter(stage => !live.has(stage.arn) && !isOfCheck(stage))
      .map(stage => ({ ...stage, participants: [], hasMoreParticipants: false }));
    const known = this.#live
      .filter(({ arn, name }) => !isOfCheck(this.#listed.get(arn) ?? { name }))
      .map(stage => ({ ...stage, tags: this.#listed.get(stage.arn)?.tags }));
    return [...known, ...idle].filter(({ arn }) => !this.#deleted.has(arn));
  }

  async #load(): Promise<void> {
    if (this.#isLoading) return;
    this.#isLoading = true;
    this.#isStale = false;
    this.#loadedAtMs = performance.now();
    try {
      const { found, hasMore } = await readList(this.regions, this.#wanted);
      // Stages that were created here are in the complete list, unless they were deleted.
      if (!hasMore && !this.#isStale) {
        this.#created.clear();
        this.#deleted.clear();
      }
      this.#listed = found;
      this.hasMore = hasMore;
      this.isLoaded = true;
      this.#onLoad();
    } catch {
      // The server is down, or limits the rate: the list stays as it is until the next time.
    } finally {
      this.#isLoading = false;
    }
  }
}

/** Reads one page after the other, Region by Region. */
async function readList(regions: string[], wanted: number) {
  const found = new Map<string, ListedStage>();
  for (const region of regions) {
    let nextToken: string | undefined;
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
