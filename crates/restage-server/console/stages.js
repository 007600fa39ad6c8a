// @ts-check
/** The list of stages and who is in them. */

import { idOf, regionOf, stopReplication } from "./api.js";
import { copyText } from "./copy.js";
import { LOADED_MAX } from "./directory.js";
import { describeError } from "./explain.js";
import { byId, displayName, make, makeButton, seatKey, stageName } from "./names.js";
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
 */

/** The list. It is drawn anew only when something in it changed, so that focus and selection stay. */
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
  #shown = "";
  /** Stages whose silent participants are unfolded. @type {Set<string>} */
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
    this.#more.addEventListener("click", () => {
      this.#more.disabled = true;
      directory.more();
    });
  }

  /** Brings it up to date. */
  update() {
    const { stages, hasMore, hasMoreLive } = this.#directory;
    const found = stages.filter(stage => matches(stage, this.#search.value));
    const watching = stages.flatMap(stage =>
      stage.participants.map(participant => this.#wall.isWatching(seatKey(stage, participant))),
    );
    const wanted = JSON.stringify([found, watching, stages.length, hasMore, hasMoreLive]);
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    this.#empty.hidden = stages.length > 0;
    const text = this.#describe(found.length);
    if (this.#found.textContent !== text) this.#found.textContent = text;
    this.#more.hidden = !hasMore || stages.length >= LOADED_MAX;
    this.#more.disabled = false;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.focus;
    this.#root.replaceChildren(...found.map(stage => this.#stage(stage, stages)));
    if (focused) {
      /** @type {HTMLElement | null} */ (
        this.#root.querySelector(`[data-focus="${CSS.escape(focused)}"]`)
      )?.focus();
    }
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
    const count = stage.activeSessionId ? `${publishing.length} publishing` : "no session";
    const name = make("h3", "stage-name", stageName(stage));
    const head = make("div", "stage-head", name, make("span", "stage-count", count));
    const section = make("article", "stage", head, this.#facts(stage));
    section.dataset.stage = stage.arn;
    if (publishing.length > 0) section.append(this.#rows(stage, publishing, stages));
    if (silent.length > 0) section.append(this.#silent(stage, silent, stages));
    return section;
  }

  /**
   * The stage's id, and what can be done with it.
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
   * Who is connected and does not publish: folded, since there may be many.
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
    fold.addEventListener("toggle", () => {
      if (fold.open) this.#unfolded.add(stage.arn);
      else this.#unfolded.delete(stage.arn);
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
