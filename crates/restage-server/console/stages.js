// @ts-check
/** The list of stages and their participants. */

import { idOf, regionOf, stopReplication } from "./api.js";
import { copyText } from "./copy.js";
import { LOADED_MAX } from "./directory.js";
import { describeError } from "./explain.js";
import { byId, displayName, isShown, make, makeButton, seatKey, stageName } from "./names.js";
import { makeRow } from "./rows.js";

/**
 * @typedef {import("./api.js").Stage} Stage
 * @typedef {import("./names.js").Seat} Seat
 * @typedef {import("./directory.js").Directory} Directory
 *
 * @typedef {object} Dialogs
 * @property {(stage: Stage) => void} token
 * @property {(seat: Seat) => void} replicate
 * @property {(seat: Seat) => void} disconnect
 *
 * @typedef {Map<string, {made: string, card: HTMLElement}>} Cards The card of each stage, and the data from which it was made.
 */

/** The list is not drawn while a mouse button is down, but for no longer than this: its release may be missed. */
const PRESS_MAX_MS = 2000;

/**
 * The list. A stage is drawn again only when something in it has changed, and never while a mouse button is down,
 * so that focus and selection stay and no click is lost.
 */
export class StageList {
  #root = /** @type {HTMLElement} */ (byId("stages"));
  #empty = /** @type {HTMLElement} */ (byId("stages-empty"));
  #search = /** @type {HTMLInputElement} */ (byId("search"));
  #found = /** @type {HTMLElement} */ (byId("stages-found"));
  #more = /** @type {HTMLButtonElement} */ (byId("stages-more"));
  #problem = /** @type {HTMLElement} */ (byId("stages-problem"));
  #directory;
  #wall;
  #dialogs;
  #onChoice;
  /** @type {Cards} */
  #cards = new Map();
  #pressedAtMs = Number.NEGATIVE_INFINITY;
  /** Stages whose participants without media are unfolded. @type {Set<string>} */
  #unfolded = new Set();

  /**
   * @param {Directory} directory
   * @param {import("./wall.js").Wall} wall
   * @param {Dialogs} dialogs
   * @param {() => void} onChoice
   */
  constructor(directory, wall, dialogs, onChoice) {
    this.#directory = directory;
    this.#wall = wall;
    this.#dialogs = dialogs;
    this.#onChoice = onChoice;
    this.#search.addEventListener("input", () => {
      directory.all();
      this.update();
    });
    // Another page leads to a stage.
    const wanted = new URLSearchParams(location.search).get("find");
    if (wanted) this.#search.value = wanted;
    this.#root.addEventListener("pointerdown", () => {
      this.#pressedAtMs = performance.now();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      addEventListener(end, () => {
        this.#pressedAtMs = Number.NEGATIVE_INFINITY;
      });
    }
    this.#more.addEventListener("click", () => {
      this.#more.disabled = true;
      directory.more();
    });
  }

  /** Shows the present state. */
  update() {
    if (performance.now() - this.#pressedAtMs < PRESS_MAX_MS) return;
    const { stages, hasMore, regions } = this.#directory;
    const found = stages.filter(stage => matches(stage, this.#search.value));
    this.#empty.hidden = stages.length > 0;
    const text = this.#describe(found.length);
    if (this.#found.textContent !== text) this.#found.textContent = text;
    this.#more.hidden = !hasMore || stages.length >= LOADED_MAX;
    this.#more.disabled = false;
    const names = new Map(stages.map(stage => [stage.arn, stageName(stage)]));
    /** @type {Cards} */
    const cards = new Map();
    for (const stage of found) {
      const sources = stage.participants.map(({ sourceStageArn }) => names.get(sourceStageArn ?? ""));
      const watching = stage.participants.map(participant =>
        this.#wall.isWatching(seatKey(stage, participant)),
      );
      const pairs = sources.map((_, at) => this.#isSourceWatched(stage.participants[at]));
      const made = JSON.stringify([stage, sources, watching, pairs, regions.length > 1]);
      const old = this.#cards.get(stage.arn);
      cards.set(stage.arn, old?.made === made ? old : { made, card: this.#stage(stage, stages) });
    }
    this.#place(cards);
  }

  /** @param {import("./api.js").Participant} participant */
  #isSourceWatched({ sourceStageArn, participantId }) {
    return sourceStageArn ? this.#wall.isWatching(`${sourceStageArn}|${participantId}`) : false;
  }

  /**
   * Puts the cards into their order, and does not touch cards that are in the right place.
   * @param {Cards} cards
   */
  #place(cards) {
    const wanted = [...cards.values()].map(({ card }) => card);
    this.#cards = cards;
    const isPlaced = wanted.length === this.#root.children.length;
    if (isPlaced && wanted.every((card, at) => this.#root.children[at] === card)) return;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.focus;
    this.#root.replaceChildren(...wanted);
    if (!focused) return;
    const again = this.#root.querySelector(`[data-focus="${CSS.escape(focused)}"]`);
    /** @type {HTMLElement | null} */ (again)?.focus();
  }

  /** @param {number} found */
  #describe(found) {
    const { stages, hasMore, hasMoreLive } = this.#directory;
    const parts = [];
    if (this.#search.value.trim()) parts.push(`${found} of ${stages.length} stages match.`);
    if (hasMore) parts.push(`${stages.length} stages are loaded; there are more.`);
    if (hasMoreLive) parts.push("Participants are shown of the oldest stages with a session only.");
    return parts.join(" ");
  }

  /**
   * @param {Stage} stage
   * @param {Stage[]} stages
   */
  #stage(stage, stages) {
    const publishing = stage.participants.filter(participant => participant.publishing);
    const silent = stage.participants.filter(
      participant => !participant.publishing && participant.state === "CONNECTED",
    );
    // The two streams of a redundant ingest are one publisher for viewers.
    const count = stage.activeSessionId ? `${publishing.filter(isShown).length} publishing` : "no session";
    const name = make("h3", "stage-name", stageName(stage));
    const head = make("div", "stage-head", name, make("span", "stage-count", count));
    const section = make("article", "stage", head, this.#facts(stage));
    section.dataset.stage = stage.arn;
    if (publishing.length > 0) section.append(this.#rows(stage, publishing, stages));
    if (silent.length > 0) section.append(this.#silent(stage, silent, stages));
    return section;
  }

  /**
   * The stage's id, and the buttons for it.
   * @param {Stage} stage
   */
  #facts(stage) {
    const id = make("code", "stage-id", idOf(stage.arn));
    id.title = stage.arn;
    const name = stageName(stage);
    const copy = makeButton(`arn ${stage.arn}`, "Copy ARN", `Copy ARN of ${name}`, async () => {
      copy.textContent = (await copyText(stage.arn)) ? "Copied" : stage.arn;
    });
    const token = makeButton(`token ${stage.arn}`, "Token…", `Token for ${name}`, () =>
      this.#dialogs.token(stage),
    );
    const facts = make("div", "stage-facts", id);
    if (this.#directory.regions.length > 1) facts.append(make("span", "stage-region", regionOf(stage.arn)));
    facts.append(make("div", "stage-actions", copy, token));
    return facts;
  }

  /**
   * @param {Stage} stage
   * @param {import("./api.js").Participant[]} participants
   * @param {Stage[]} stages
   */
  #rows(stage, participants, stages) {
    const deeds = {
      isWatching: (/** @type {string} */ key) => this.#wall.isWatching(key),
      choose: (/** @type {string[]} */ keys, /** @type {boolean} */ isWanted) => {
        this.#wall.choose(keys, isWanted);
        this.#onChoice();
      },
      replicate: this.#dialogs.replicate,
      disconnect: this.#dialogs.disconnect,
      stopReplica: (/** @type {Seat} */ seat) => this.#stopReplica(seat),
    };
    const rows = participants.map(participant => makeRow({ stage, participant }, stages, deeds));
    return make("ul", "participants", ...rows);
  }

  /**
   * Participants that are connected but do not publish. They are folded, because there may be many.
   * @param {Stage} stage
   * @param {import("./api.js").Participant[]} participants
   * @param {Stage[]} stages
   */
  #silent(stage, participants, stages) {
    const count = stage.hasMoreParticipants ? `More than ${participants.length}` : `${participants.length}`;
    const summary = make("summary", "stage-more", `${count} connected, not publishing`);
    summary.dataset.focus = `silent ${stage.arn}`;
    const fold = /** @type {HTMLDetailsElement} */ (
      make("details", "silent", summary, this.#rows(stage, participants, stages))
    );
    fold.open = this.#unfolded.has(stage.arn);
    // The event `toggle` comes later, when the list may have been drawn again.
    summary.addEventListener("click", () => {
      if (fold.open) this.#unfolded.delete(stage.arn);
      else this.#unfolded.add(stage.arn);
    });
    return fold;
  }

  /** @param {Seat} seat */
  async #stopReplica({ stage, participant }) {
    this.#problem.textContent = "";
    try {
      await stopReplication(participant.sourceStageArn ?? "", stage.arn, participant.participantId);
    } catch (error) {
      this.#problem.textContent = `${displayName(participant)}: ${describeError(error)}`;
    }
  }
}

/**
 * @param {Stage} stage
 * @param {string} search
 */
function matches(stage, search) {
  const wanted = search.trim().toLowerCase();
  if (!wanted) return true;
  const people = stage.participants.flatMap(({ participantId, userId }) => [participantId, userId]);
  return [stage.name, stage.arn, ...people].some(text => text.toLowerCase().includes(wanted));
}
