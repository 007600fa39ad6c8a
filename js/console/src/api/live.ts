/** The state of the stages, which is fetched once a second while somebody is signed in. */

import { computed, effect, signal } from "@preact/signals";

import { Directory } from "./directory";
import { Refused, SignInNeeded } from "./errors";
import { forgetGrants } from "./grants";
import { fetchState } from "./operations";
import { isSignedIn, session, signInProblem, signOut } from "./session";
import type { ListedStage, Stage } from "./types";

const REFRESH_MS = 1000;

/** The known stages, and what is known of the list of them. */
export interface Known {
  stages: Stage[];
  hasMore: boolean;
  hasMoreLive: boolean;
  regions: string[];
  /** The Region in which the first stage is created. */
  defaultRegion: string;
  /** False until the stages have been listed once. */
  isLoaded: boolean;
}

const NOTHING: Known = {
  stages: [],
  hasMore: false,
  hasMoreLive: false,
  regions: [],
  defaultRegion: "us-east-1",
  isLoaded: false,
};

/** What is known. It changes only when something in it has changed. */
export const known = signal<Known>(NOTHING);
/** Why the state is not fetched at present; empty while it is. */
export const notice = signal("");
/** Whether the state was fetched the last time. */
export const isConnected = signal(false);
/** The Regions that have stages; that in which the first one is created if none has. */
export const regions = computed(() => {
  const found = known.value.regions;
  const by = session.value;
  const own = by?.kind === "access" ? [by.region] : [];
  const all = [...new Set([...own, ...found])];
  return all.length > 0 ? all : [known.value.defaultRegion];
});

let directory = new Directory(publish);
let shown = "";
let timer: ReturnType<typeof setTimeout> | undefined;
let isAsking = false;

function publish(): void {
  const { stages, hasMore, hasMoreLive, regions, defaultRegion, isLoaded } = directory;
  const next = { stages, hasMore, hasMoreLive, regions, defaultRegion, isLoaded };
  const text = JSON.stringify(next);
  if (text === shown) return;
  shown = text;
  known.value = next;
}

/** Fetches the state at once, as after something was changed. */
export async function refresh(): Promise<void> {
  clearTimeout(timer);
  if (isAsking || !session.value) return;
  isAsking = true;
  const by = session.value;
  try {
    const state = await fetchState();
    if (session.value !== by) return;
    directory.take(state);
    isSignedIn.value = true;
    signInProblem.value = "";
    notice.value = "";
    isConnected.value = true;
    publish();
  } catch (error) {
    isConnected.value = false;
    if (session.value === by) explain(error);
  } finally {
    isAsking = false;
  }
  // A session that is refused is not tried every second; the form tries the next one.
  if (session.value) timer = setTimeout(refresh, session.value === by ? REFRESH_MS : 0);
}

function explain(error: unknown): void {
  if (error instanceof SignInNeeded) {
    signOut(error.message);
    notice.value = "";
    return;
  }
  // Who may not see the stages is signed in, and may do other things.
  if (error instanceof Refused) isSignedIn.value = true;
  notice.value =
    error instanceof Refused
      ? `The server answered: ${error.message}`
      : "The server has stopped, or cannot be reached from here. Trying again every second.";
}

/** Starts fetching with each session, and forgets what the last one saw. */
export function start(): void {
  effect(() => {
    if (session.value) {
      void refresh();
      return;
    }
    directory = new Directory(publish);
    forgetGrants();
    shown = "";
    known.value = NOTHING;
  });
}

/** Loads more stages. */
export function loadMore(): void {
  directory.more();
  void refresh();
}

/** Loads all stages, for search and choice. */
export function loadAll(): void {
  directory.all();
}

/** Takes a stage that was created here. */
export function added(stage: ListedStage): void {
  directory.add(stage);
  publish();
  void refresh();
}

/** Takes away a stage that was deleted here. */
export function removed(arn: string): void {
  directory.remove(arn);
  publish();
  void refresh();
}
