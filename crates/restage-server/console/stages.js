// @ts-check
/** The list of stages and who is in them. */

import { displayName, roleLabel, seatKey, stageName } from "./wall.js";

/**
 * @typedef {import("./api.js").Participant} Participant
 * @typedef {import("./api.js").Stage} Stage
 */

/**
 * @param {string} tag
 * @param {string} className
 * @param {(Node | string)[]} children
 */
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/** The list. It is redrawn only when something in it changed, so that focus and selection stay. */
export class StageList {
  #root = /** @type {HTMLElement} */ (document.getElementById("stages"));
  #empty = /** @type {HTMLElement} */ (document.getElementById("stages-empty"));
  #wall;
  #onChoice;
  #shown = "";

  /**
   * @param {import("./wall.js").Wall} wall
   * @param {() => void} onChoice
   */
  constructor(wall, onChoice) {
    this.#wall = wall;
    this.#onChoice = onChoice;
  }

  /** @param {Stage[]} stages */
  update(stages) {
    const watching = stages.flatMap(stage =>
      stage.participants.map(participant => this.#wall.isWatching(seatKey(stage, participant))),
    );
    const wanted = JSON.stringify([stages, watching]);
    if (wanted === this.#shown) return;
    this.#shown = wanted;
    this.#empty.hidden = stages.length > 0;
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.focus;
    this.#root.replaceChildren(...stages.map(stage => this.#stage(stage, stages)));
    if (focused) {
      /** @type {HTMLElement | null} */ (
        this.#root.querySelector(`[data-focus="${CSS.escape(focused)}"]`)
      )?.focus();
    }
  }

  /**
   * @param {Stage} stage
   * @param {Stage[]} stages
   */
  #stage(stage, stages) {
    const publishing = stage.participants.filter(participant => participant.publishing);
    const others = stage.participants.filter(
      participant => !participant.publishing && participant.state === "CONNECTED",
    );
    const head = make(
      "div",
      "stage-head",
      make("h3", "stage-name", stageName(stage)),
      make("span", "stage-count", stage.activeSessionId ? `${publishing.length} publishing` : "no session"),
    );
    const list = make(
      "ul",
      "participants",
      ...publishing.map(participant => this.#participant(stage, participant, stages)),
    );
    const section = make("article", "stage", head, list);
    section.dataset.stage = stage.arn;
    if (others.length > 0)
      section.append(make("p", "stage-more", `${others.length} connected, not publishing`));
    return section;
  }

  /**
   * @param {Stage} stage
   * @param {Participant} participant
   * @param {Stage[]} stages
   */
  #participant(stage, participant, stages) {
    const role = roleLabel(participant);
    const badge = make("span", "badge", role);
    badge.dataset.role = role;
    const name = make("p", "participant-name", displayName(participant), badge);
    const text = make(
      "div",
      "participant-text",
      name,
      make("p", "participant-detail", this.#detail(participant, stages)),
    );
    const actions = make("div", "participant-actions", ...this.#actions(stage, participant, stages));
    const item = make("li", "participant", text, actions);
    item.dataset.participant = participant.participantId;
    item.dataset.role = role;
    return item;
  }

  /**
   * @param {Participant} participant
   * @param {Stage[]} stages
   */
  #detail(participant, stages) {
    const parts = [];
    if (roleLabel(participant) === "REPLICA") {
      const source = stages.find(stage => stage.arn === participant.sourceStageArn);
      parts.push(`from ${source ? stageName(source) : participant.sourceStageArn}`);
    }
    if (participant.userId) parts.push(participant.participantId);
    for (const [key, value] of Object.entries(participant.attributes)) parts.push(`${key}: ${value}`);
    return parts.join(" · ");
  }

  /**
   * @param {Stage} stage
   * @param {Participant} participant
   * @param {Stage[]} stages
   */
  #actions(stage, participant, stages) {
    const key = seatKey(stage, participant);
    const isWatching = this.#wall.isWatching(key);
    const watch = this.#button(`watch ${key}`, isWatching ? "Watching" : "Watch", () =>
      this.#wall.choose([key], !isWatching),
    );
    watch.setAttribute("aria-pressed", `${isWatching}`);
    watch.setAttribute("aria-label", `Watch ${displayName(participant)} in ${stageName(stage)}`);
    const source = stages.find(candidate => candidate.arn === participant.sourceStageArn);
    if (roleLabel(participant) !== "REPLICA" || !source) return [watch];
    const pair = [seatKey(source, participant), key];
    if (pair.every(each => this.#wall.isWatching(each))) return [watch];
    const both = this.#button(`both ${key}`, "With source", () => this.#wall.choose(pair, true));
    both.setAttribute("aria-label", `Watch ${displayName(participant)} in both stages side by side`);
    return [both, watch];
  }

  /**
   * @param {string} focus
   * @param {string} label
   * @param {() => void} act
   */
  #button(focus, label, act) {
    const button = /** @type {HTMLButtonElement} */ (make("button", "button", label));
    button.type = "button";
    button.dataset.focus = focus;
    button.addEventListener("click", () => {
      act();
      this.#onChoice();
    });
    return button;
  }
}
