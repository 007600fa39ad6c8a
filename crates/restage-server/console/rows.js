// @ts-check
/** One row of the list: a participant and its buttons. */

import { displayName, encoderOf, isShown, make, makeButton, roleLabel, seatKey, stageName } from "./names.js";

/**
 * @typedef {import("./api.js").Participant} Participant
 * @typedef {import("./api.js").Stage} Stage
 * @typedef {import("./names.js").Seat} Seat
 *
 * @typedef {object} Deeds The actions of a row's buttons.
 * @property {(key: string) => boolean} isWatching
 * @property {(keys: string[], isWanted: boolean) => void} choose
 * @property {(seat: Seat) => void} replicate
 * @property {(seat: Seat) => void} stopReplica
 * @property {(seat: Seat) => void} disconnect
 */

/**
 * @param {Seat} seat
 * @param {Stage[]} stages
 * @param {Deeds} deeds
 */
export function makeRow(seat, stages, deeds) {
  const { participant } = seat;
  const role = roleLabel(participant);
  const badge = make("span", "badge", role);
  badge.dataset.role = role;
  const text = make(
    "div",
    "participant-text",
    make("p", "participant-name", displayName(participant), badge),
    make("p", "participant-detail", detail(participant, stages)),
  );
  const item = make(
    "li",
    "participant",
    text,
    make("div", "participant-actions", ...actions(seat, stages, deeds)),
  );
  item.dataset.participant = participant.participantId;
  item.dataset.role = role;
  return item;
}

/**
 * @param {Participant} participant
 * @param {Stage[]} stages
 */
function detail(participant, stages) {
  const parts = [];
  if (roleLabel(participant) === "REPLICA") {
    const source = stages.find(stage => stage.arn === participant.sourceStageArn);
    parts.push(`from ${source ? stageName(source) : participant.sourceStageArn}`);
  }
  if (participant.ingest === "COMMON") parts.push("what viewers see of both encoders");
  if (encoderOf(participant)) parts.push("one stream of two; viewers see the common one");
  if (participant.userId) parts.push(participant.participantId);
  for (const [key, value] of Object.entries(participant.attributes)) parts.push(`${key}: ${value}`);
  return parts.join(" · ");
}

/**
 * @param {Seat} seat
 * @param {Stage[]} stages
 * @param {Deeds} deeds
 */
function actions(seat, stages, deeds) {
  const { stage, participant } = seat;
  const key = seatKey(stage, participant);
  const who = `${displayName(participant)} in ${stageName(stage)}`;
  const isReplica = roleLabel(participant) === "REPLICA";
  const buttons = isShown(participant) ? watchButtons(seat, stages, deeds) : [];
  if (isReplica) {
    buttons.push(
      makeButton(`stop ${key}`, "Stop replica", `Stop replica of ${who}`, () => deeds.stopReplica(seat)),
    );
    return buttons;
  }
  if (isShown(participant)) {
    buttons.push(makeButton(`copy ${key}`, "Replicate…", `Replicate ${who}`, () => deeds.replicate(seat)));
  }
  buttons.push(makeButton(`end ${key}`, "Disconnect…", `Disconnect ${who}`, () => deeds.disconnect(seat)));
  return buttons;
}

/**
 * @param {Seat} seat
 * @param {Stage[]} stages
 * @param {Deeds} deeds
 */
function watchButtons({ stage, participant }, stages, deeds) {
  const key = seatKey(stage, participant);
  const isWatching = deeds.isWatching(key);
  const name = displayName(participant);
  const watch = makeButton(
    `watch ${key}`,
    isWatching ? "Watching" : "Watch",
    `Watch ${name} in ${stageName(stage)}`,
    () => deeds.choose([key], !isWatching),
  );
  watch.setAttribute("aria-pressed", `${isWatching}`);
  const source = stages.find(candidate => candidate.arn === participant.sourceStageArn);
  if (roleLabel(participant) !== "REPLICA" || !source) return [watch];
  const pair = [seatKey(source, participant), key];
  if (pair.every(deeds.isWatching)) return [watch];
  const both = makeButton(`both ${key}`, "With source", `Watch ${name} in both stages side by side`, () =>
    deeds.choose(pair, true),
  );
  return [watch, both];
}
