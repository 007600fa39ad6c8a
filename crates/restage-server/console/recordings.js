// @ts-check
/** The page of recordings: lists them, and plays one. */

import {
  fetchRecordingLink,
  fetchState,
  hasKey,
  KeyRefused,
  listRecordings,
  pauseRecording,
  Refused,
} from "./api.js";
import { Directory } from "./directory.js";
import { describeError } from "./explain.js";
import { KeyForm } from "./key.js";
import { byId, make, stageName } from "./names.js";
import { Player } from "./player.js";
import { makeRow } from "./recording_rows.js";

/** @typedef {import("./api.js").Recording} Recording */

const REFRESH_MS = 2000;
/** Recordings per page. */
const PAGE_ROWS = 50;
/** Most recordings that are loaded. Accounts with more must use the API. */
const LOADED_MAX = 500;
/** The thumbnail of a row: the newest where it is stored, or the first. */
const LATEST = "media/latest_thumbnail/high/thumb.jpg";
const FIRST = "media/thumbnails/high/1.jpg";

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let isAsking = false;
let wanted = PAGE_ROWS;
let hasMore = false;
/** @type {Recording[]} */
let recordings = [];
/** The rows, and the data from which each was made. @type {Map<string, {made: string, row: HTMLElement}>} */
let rows = new Map();

const directory = new Directory(() => {});
const player = new Player(show);
const key = new KeyForm(refresh, "recordings-title");
const list = /** @type {HTMLElement} */ (byId("recordings"));
const region = /** @type {HTMLSelectElement} */ (byId("region"));
const search = /** @type {HTMLInputElement} */ (byId("search"));
const more = /** @type {HTMLButtonElement} */ (byId("recordings-more"));

/**
 * @param {string} id
 * @param {string} text
 */
function setText(id, text) {
  const element = /** @type {HTMLElement} */ (byId(id));
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} text */
function setNotice(text) {
  setText("notice", text);
  byId("notice").hidden = text === "";
}

/** @returns {Map<string, string>} */
const stageNames = () => new Map(directory.stages.map(stage => [stage.arn, stageName(stage)]));

const deeds = {
  play: (/** @type {Recording} */ recording) => player.play(recording, stageNames()),
  async pause(/** @type {Recording} */ recording, /** @type {boolean} */ isPaused) {
    setText("recordings-problem", "");
    try {
      await pauseRecording(recording, isPaused);
      await refresh();
    } catch (error) {
      setText("recordings-problem", describeError(error));
    }
  },
  async picture(/** @type {Recording} */ recording, /** @type {HTMLImageElement} */ image) {
    const name = recording.thumbnailStorage.includes("LATEST") ? LATEST : FIRST;
    const link = await fetchRecordingLink(recording, false).catch(() => undefined);
    if (link) image.src = link.base + name;
  },
};

/** @param {Recording} recording */
function isFound({ recordingId, participantId, userId, stageArn, stageName, sourceStageArn }) {
  const text = search.value.trim().toLowerCase();
  const names = stageNames();
  const stages = [stageArn, sourceStageArn ?? ""].flatMap(arn => [arn, names.get(arn) ?? ""]);
  const people = [participantId, userId ?? ""];
  return [recordingId, stageName ?? "", ...people, ...stages].some(part => part.toLowerCase().includes(text));
}

/** A row is drawn again only when something in it has changed, so that focus stays and no click is lost. */
function show() {
  const names = stageNames();
  const found = recordings.filter(isFound);
  /** @type {typeof rows} */
  const next = new Map();
  for (const recording of found) {
    const isPlaying = player.playing === recording.recordingId;
    const made = JSON.stringify([recording, isPlaying, names.get(recording.stageArn)]);
    const old = rows.get(recording.recordingId);
    const row = old?.made === made ? old.row : makeRow(recording, names, isPlaying, deeds);
    next.set(recording.recordingId, { made, row });
  }
  place([...next.values()].map(({ row }) => row));
  rows = next;
  byId("recordings-empty").hidden = recordings.length > 0;
  more.hidden = !hasMore || wanted >= LOADED_MAX;
  const counts = [`${found.length} of ${recordings.length} recordings match.`];
  setText("recordings-found", search.value.trim() ? counts.join(" ") : "");
}

/** @param {HTMLElement[]} wantedRows */
function place(wantedRows) {
  const isPlaced = wantedRows.length === list.children.length;
  if (isPlaced && wantedRows.every((row, at) => list.children[at] === row)) return;
  const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.focus;
  list.replaceChildren(...wantedRows);
  const again = focused && list.querySelector(`[data-focus="${CSS.escape(focused)}"]`);
  if (again) /** @type {HTMLElement} */ (again).focus();
}

function showRegions() {
  const regions = directory.regions.length > 0 ? directory.regions : [directory.defaultRegion];
  byId("where").hidden = regions.length < 2;
  const shown = [...region.options].map(option => option.value);
  if (JSON.stringify(shown) === JSON.stringify(regions)) return;
  const chosen = region.value;
  region.replaceChildren(
    ...regions.map(name => {
      const option = /** @type {HTMLOptionElement} */ (make("option", "", name));
      option.value = name;
      return option;
    }),
  );
  if (regions.includes(chosen)) region.value = chosen;
}

async function load() {
  /** @type {Recording[]} */
  const loaded = [];
  /** @type {string | undefined} */
  let nextToken;
  do {
    const page = await listRecordings(region.value, PAGE_ROWS, nextToken);
    loaded.push(...page.recordings);
    nextToken = page.nextToken;
  } while (nextToken && loaded.length < wanted);
  recordings = loaded;
  hasMore = nextToken !== undefined;
}

function summarise() {
  const active = recordings.filter(({ recordingState }) => recordingState === "ACTIVE").length;
  const count = `${hasMore ? "more than " : ""}${recordings.length} recording${recordings.length === 1 ? "" : "s"}`;
  setText("summary", `${count}, ${active} active`);
}

/** @param {unknown} error */
function explain(error) {
  if (error instanceof KeyRefused) {
    setText("summary", "Locked");
    setNotice("");
    key.ask();
    return;
  }
  setText("summary", "Not connected");
  setNotice(
    error instanceof Refused
      ? `The server answered: ${error.message}`
      : "The server has stopped, or cannot be reached from here. Trying again every two seconds.",
  );
}

async function refresh() {
  clearTimeout(timer);
  if (isAsking) return;
  isAsking = true;
  try {
    if (!hasKey()) throw new KeyRefused();
    directory.take(await fetchState());
    showRegions();
    await load();
    key.done();
    setNotice("");
    summarise();
    show();
  } catch (error) {
    explain(error);
  } finally {
    isAsking = false;
  }
  // Does not try a refused key again and again; the form tries the next one.
  if (!("locked" in document.body.dataset)) timer = setTimeout(refresh, REFRESH_MS);
}

search.addEventListener("input", show);
region.addEventListener("change", refresh);
more.addEventListener("click", () => {
  wanted += PAGE_ROWS;
  void refresh();
});
addEventListener("hashchange", refresh);
refresh();
