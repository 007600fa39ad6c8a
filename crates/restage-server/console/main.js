// @ts-check
/** Asks the server once a second what is on stage and shows it. */

import { fetchStages, KeyRefused } from "./api.js";
import { setUpPublishing } from "./publish.js";
import { StageList } from "./stages.js";
import { Wall } from "./wall.js";

const REFRESH_MS = 1000;

/** @type {import("./api.js").Stage[]} */
let stages = [];
const wall = new Wall();
const list = new StageList(wall, show);

function show() {
  wall.update(stages);
  list.update(stages);
}

/** @param {string} text */
function setNotice(text) {
  const notice = /** @type {HTMLElement} */ (document.getElementById("notice"));
  if (notice.textContent !== text) notice.textContent = text;
  notice.hidden = text === "";
}

/** @param {string} text */
function setSummary(text) {
  const summary = /** @type {HTMLElement} */ (document.getElementById("summary"));
  if (summary.textContent !== text) summary.textContent = text;
}

/**
 * @param {number} count
 * @param {string} one
 */
const counted = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

function summarise() {
  const people = stages.flatMap(stage => stage.participants).filter(participant => participant.publishing);
  const replicas = people.filter(participant => participant.replicationType === "REPLICA");
  setSummary(
    `${counted(stages.length, "stage")}, ${counted(people.length - replicas.length, "publisher")}, ` +
      counted(replicas.length, "live replica"),
  );
}

async function refresh() {
  try {
    stages = await fetchStages();
    setNotice("");
    summarise();
    show();
  } catch (error) {
    setSummary("Not connected");
    setNotice(
      error instanceof KeyRefused
        ? "This server wants its console key. Open the console by the address the server printed when it started; it ends in #key=…"
        : "The server does not answer. Trying again every second.",
    );
  }
  setTimeout(refresh, REFRESH_MS);
}

document.addEventListener("wallchange", show);
setUpPublishing();
refresh();
