// @ts-check
/** The names of stages and participants on the page, and functions that create elements. */

import { idOf } from "./api.js";

/**
 * @typedef {import("./api.js").Participant} Participant
 * @typedef {import("./api.js").Stage} Stage
 * @typedef {{stage: Stage, participant: Participant}} Seat
 */

/**
 * @param {Stage} stage
 * @param {Participant} participant
 */
export const seatKey = (stage, participant) => `${stage.arn}|${participant.participantId}`;

/**
 * Which encoder's stream of a redundant ingest it is, which nobody can watch or replicate by itself; 0 for all others.
 * @param {Participant} participant
 */
export const encoderOf = ({ ingest }) => (ingest === "FIRST" ? 1 : ingest === "SECOND" ? 2 : 0);

/**
 * Whether viewers see it.
 * @param {Participant} participant
 */
export const isShown = participant => participant.publishing && encoderOf(participant) === 0;

/**
 * The participants of a redundant ingest have one user id.
 * @param {Participant} participant
 */
export const displayName = participant => {
  const encoder = encoderOf(participant);
  return (participant.userId || participant.participantId) + (encoder ? `, encoder ${encoder}` : "");
};

/** @param {{arn: string, name: string}} stage */
export const stageName = stage => stage.name || idOf(stage.arn);

/** @param {Participant} participant */
export const roleLabel = participant =>
  participant.replicationType === "NONE" || participant.replicationState === "STOPPED"
    ? ""
    : participant.replicationType;

/** @param {string} id */
export const byId = id => /** @type {any} */ (document.getElementById(id));

/**
 * @param {string} tag
 * @param {string} className
 * @param {(Node | string)[]} children
 */
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/**
 * A button that keeps its focus when the list around it is drawn again.
 * @param {string} focus Identifies the button among all buttons of the list.
 * @param {string} label
 * @param {string} spoken The label for people who do not see what is beside the button.
 * @param {() => void} act
 */
export function makeButton(focus, label, spoken, act) {
  const button = /** @type {HTMLButtonElement} */ (make("button", "button", label));
  button.type = "button";
  button.dataset.focus = focus;
  button.setAttribute("aria-label", spoken);
  button.addEventListener("click", act);
  return button;
}
