// @ts-check
/** The page of compositions: lists them, shows one, plays what is recorded, starts and stops. */

import { fetchState, hasKey, idOf, KeyRefused, Refused } from "./api.js";
import { fetchTold, getComposition, listCompositions } from "./composition_api.js";
import { StartDialog, StopDialog } from "./composition_form.js";
import { isOpen, makeRow } from "./composition_rows.js";
import { CompositionView } from "./composition_view.js";
import { Directory } from "./directory.js";
import { KeyForm } from "./key.js";
import { byId, make, stageName } from "./names.js";
import { Player } from "./player.js";

/**
 * @typedef {import("./composition_api.js").Item} Item
 * @typedef {import("./composition_api.js").Composition} Composition
 */

const REFRESH_MS = 2000;
/** Compositions whose settings are asked for at one time, so that the API's rates are kept. */
const GETS_MAX = 4;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let isAsking = false;
let hasMore = false;
/** The newest first. @type {Item[]} */
let items = [];
/** What GetComposition has said, which does not change. @type {Map<string, Composition>} */
let known = new Map();
/** @type {string[]} */
let channelArns = [];
/** The composition that somebody wants to see. */
let chosen = "";
/** The rows, and the data from which each was made. @type {Map<string, {made: string, row: HTMLElement}>} */
let rows = new Map();

const directory = new Directory(() => starting.update());
const view = new CompositionView();
const player = new Player(show);
const key = new KeyForm(refresh, "compositions-title");
const starting = new StartDialog(directory, arn => {
  chosen = arn;
  void refresh();
});
const stopping = new StopDialog(() => void refresh());
const list = /** @type {HTMLElement} */ (byId("compositions"));
const region = /** @type {HTMLSelectElement} */ (byId("region"));

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

/** The stage by its name, or by its id if it was deleted. @param {Item} item */
const stageOf = ({ summary: { stageArn } }) => stageNames().get(stageArn) || idOf(stageArn);

/** The one that is shown: the chosen one, or the newest that runs, or the newest. */
const shown = () => items.find(({ summary }) => summary.arn === chosen) ?? items.find(isOpen) ?? items[0];

const deeds = {
  show(/** @type {string} */ arn) {
    chosen = arn;
    show();
    byId("composed").scrollIntoView({ block: "nearest" });
  },
  play(/** @type {Item} */ item, /** @type {string} */ recordingId) {
    const { arn, stageArn, state, startTime } = item.summary;
    // The player knows recordings of participants, and this is like one.
    const recording = {
      recordingId,
      stageArn,
      stageName: stageOf(item),
      userId: "Composition",
      participantId: idOf(arn),
      recordingState: state,
      startTime,
    };
    void player.play(/** @type {any} */ (recording), stageNames());
  },
  stop: (/** @type {Item} */ item) => stopping.open(item, stageOf(item)),
};

/** A row is drawn again only when something in it has changed, so that focus stays and no click is lost. */
function show() {
  const present = shown();
  /** @type {typeof rows} */
  const next = new Map();
  for (const item of items) {
    const { arn } = item.summary;
    const state = { isShown: item === present, playing: player.playing };
    const { live: _, ...told } = item.told ?? {};
    const made = JSON.stringify([item.summary, item.got, told, state, stageOf(item)]);
    const old = rows.get(arn);
    next.set(arn, { made, row: old?.made === made ? old.row : makeRow(item, stageOf(item), state, deeds) });
  }
  place([...next.values()].map(({ row }) => row));
  rows = next;
  byId("compositions-empty").hidden = items.length > 0;
  setText("compositions-found", hasMore ? `${items.length} compositions are loaded; there are more.` : "");
  view.show(present, present ? stageOf(present) : "");
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
  const offered = [...region.options].map(option => option.value);
  if (JSON.stringify(offered) === JSON.stringify(regions)) return;
  const was = region.value;
  region.replaceChildren(
    ...regions.map(name => {
      const option = /** @type {HTMLOptionElement} */ (make("option", "", name));
      option.value = name;
      return option;
    }),
  );
  if (regions.includes(was)) region.value = was;
}

async function load() {
  const [listed, told] = await Promise.all([listCompositions(region.value), fetchTold(region.value)]);
  channelArns = told.channelArns;
  hasMore = listed.hasMore;
  await learn(listed.all.map(({ arn }) => arn));
  items = listed.all
    .map(summary => ({
      summary,
      got: known.get(summary.arn),
      told: told.all.find(({ arn }) => arn === summary.arn),
    }))
    .reverse();
}

/** Asks for the settings of some that are not known. @param {string[]} arns From the oldest to the newest. */
async function learn(arns) {
  known = new Map([...known].filter(([arn]) => arns.includes(arn)));
  const unknown = arns.filter(arn => !known.has(arn)).slice(-GETS_MAX);
  for (const arn of unknown) {
    // One that is gone, or asked for too often, is not known this time.
    const got = await getComposition(arn).catch(error => {
      if (!(error instanceof Refused)) throw error;
      return undefined;
    });
    if (got) known.set(arn, got);
  }
}

function summarise() {
  const running = items.filter(isOpen).length;
  const count = `${hasMore ? "more than " : ""}${items.length} composition${items.length === 1 ? "" : "s"}`;
  setText("summary", `${count}, ${running} running`);
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
    starting.update();
  } catch (error) {
    explain(error);
  } finally {
    isAsking = false;
  }
  // Does not try a refused key again and again; the form tries the next one.
  if (!("locked" in document.body.dataset)) timer = setTimeout(refresh, REFRESH_MS);
}

byId("open-start").addEventListener("click", () => void starting.open(region.value, channelArns));
region.addEventListener("change", refresh);
addEventListener("hashchange", refresh);
refresh();
