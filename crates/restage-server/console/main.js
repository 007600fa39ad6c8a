// @ts-check
/** Fetches the state of the stages once a second and shows it. */

import { fetchState, hasKey, idOf, KeyRefused, Refused } from "./api.js";
import { DisconnectDialog, ReplicateDialog, StageForm, TokenDialog } from "./dialogs.js";
import { Directory } from "./directory.js";
import { KeyForm } from "./key.js";
import { byId, isShown, stageName } from "./names.js";
import { Network } from "./network.js";
import { Publishing } from "./publish.js";
import { StageList } from "./stages.js";
import { Wall } from "./wall.js";

const REFRESH_MS = 1000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let isAsking = false;

const directory = new Directory(show);
const wall = new Wall();
const publishing = new Publishing(id => {
  const stage = directory.stages.find(stage => idOf(stage.arn) === id);
  return stage ? stageName(stage) : id;
});
const tokens = new TokenDialog(token => publishing.open(token));
const replications = new ReplicateDialog(directory, refresh);
const disconnections = new DisconnectDialog();
const form = new StageForm(directory, refresh);
const list = new StageList(
  directory,
  wall,
  {
    token: stage => tokens.open(stage),
    replicate: seat => replications.open(seat),
    disconnect: seat => disconnections.open(seat),
  },
  show,
);
const key = new KeyForm(refresh);
new Network(() => directory.regions[0] ?? directory.defaultRegion);

function show() {
  wall.update(directory.stages);
  list.update();
  form.update();
  replications.update();
}

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

/**
 * @param {number} count
 * @param {string} one
 */
const counted = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

function summarise() {
  const { stages, hasMore } = directory;
  const people = stages.flatMap(stage => stage.participants).filter(isShown);
  const replicas = people.filter(participant => participant.replicationType === "REPLICA");
  setText(
    "summary",
    `${hasMore ? "more than " : ""}${counted(stages.length, "stage")}, ` +
      `${counted(people.length - replicas.length, "publisher")}, ${counted(replicas.length, "live replica")}`,
  );
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
      : "The server has stopped, or cannot be reached from here. Trying again every second.",
  );
}

async function refresh() {
  clearTimeout(timer);
  if (isAsking) return;
  isAsking = true;
  try {
    if (!hasKey()) throw new KeyRefused();
    directory.take(await fetchState());
    key.done();
    setNotice("");
    summarise();
    show();
  } catch (error) {
    explain(error);
  } finally {
    isAsking = false;
  }
  // Does not try a refused key every second; the form tries the next one.
  if (!("locked" in document.body.dataset)) timer = setTimeout(refresh, REFRESH_MS);
}

document.addEventListener("wallchange", show);
addEventListener("hashchange", refresh);
refresh();
