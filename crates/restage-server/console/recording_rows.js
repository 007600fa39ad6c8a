// @ts-check
/** One row of the list of recordings, with its buttons. */

import { idOf } from "./api.js";
import { make, makeButton } from "./names.js";

/**
 * @typedef {import("./api.js").Recording} Recording
 *
 * @typedef {object} Deeds The actions of a row's buttons.
 * @property {(recording: Recording) => void} play
 * @property {(recording: Recording, isPaused: boolean) => void} pause
 * @property {(recording: Recording, image: HTMLImageElement) => void} picture Shows its thumbnail.
 */

const SECOND_MS = 1000;
const MINUTE_S = 60;
const HOUR_S = 3600;

/**
 * A length as people read it.
 * @param {number} ms
 */
export function describeLength(ms) {
  const all = Math.round(ms / SECOND_MS);
  const parts = [Math.floor((all % HOUR_S) / MINUTE_S), all % MINUTE_S];
  const hours = Math.floor(all / HOUR_S);
  const text = parts
    .map((part, at) => (at > 0 || hours > 0 ? `${part}`.padStart(2, "0") : `${part}`))
    .join(":");
  return hours > 0 ? `${hours}:${text}` : text;
}

/** @param {Recording} recording */
export const isOpen = ({ recordingState }) => recordingState === "STARTING" || recordingState === "ACTIVE";

/**
 * Whether there may be something to play.
 * @param {Recording} recording
 */
export const isPlayable = ({ startTime, mediaTypes, durationMs }) =>
  startTime !== undefined && durationMs !== 0 && !mediaTypes.includes("NONE");

/**
 * The stage by its name, or by its id if it was deleted.
 * @param {string} arn
 * @param {Map<string, string>} stages Names by ARN.
 */
export const stageOf = (arn, stages) => stages.get(arn) || idOf(arn);

/**
 * Whose recording it is: by user id and by id, as several participants may have one user id.
 * @param {Recording} recording
 */
export const personOf = ({ userId, participantId }) =>
  userId ? `${userId} · ${participantId}` : participantId;

/**
 * What a row says below its name.
 * @param {Recording} recording
 * @param {Map<string, string>} stages
 */
function details(recording, stages) {
  const { startTime, creationTime, durationMs, sourceStageArn } = recording;
  const stage = recording.stageName ?? stageOf(recording.stageArn, stages);
  const where = sourceStageArn ? `${stage}, replica from ${stageOf(sourceStageArn, stages)}` : stage;
  const when = new Date(startTime ?? creationTime).toLocaleString();
  const length = durationMs === undefined ? "" : ` · ${describeLength(durationMs)}`;
  return [where, `${when}${length}`];
}

/** @param {Recording} recording */
function word({ recordingState, paused }) {
  return paused && recordingState === "ACTIVE" ? "PAUSED" : recordingState;
}

/**
 * @param {Recording} recording
 * @param {Map<string, string>} stages
 * @param {boolean} isPlaying
 * @param {Deeds} deeds
 */
export function makeRow(recording, stages, isPlaying, deeds) {
  const { recordingId, errorMessage, statusMessage, errorCode } = recording;
  const badge = make("span", "badge", word(recording));
  badge.dataset.state = word(recording);
  const lines = details(recording, stages).map(line => make("p", "recording-detail", line));
  const text = make(
    "div",
    "recording-text",
    make("p", "recording-name", personOf(recording), badge),
    ...lines,
  );
  const told = errorMessage ?? statusMessage;
  if (told) text.append(make("p", errorCode ? "problem" : "recording-detail", told));
  const image = /** @type {HTMLImageElement} */ (make("img", "recording-picture"));
  image.alt = "";
  const row = make(
    "li",
    "recording",
    image,
    text,
    make("div", "recording-actions", ...buttons(recording, isPlaying, deeds)),
  );
  row.dataset.recording = recordingId;
  if (isPlaying) row.dataset.playing = "";
  image.addEventListener("load", () => {
    row.dataset.thumbnail = "";
  });
  if (recording.thumbnailStorage.length > 0 && recording.startTime) deeds.picture(recording, image);
  return row;
}

/**
 * @param {Recording} recording
 * @param {boolean} isPlaying
 * @param {Deeds} deeds
 */
function buttons(recording, isPlaying, deeds) {
  const { recordingId, paused } = recording;
  const person = personOf(recording);
  const made = [];
  if (isPlayable(recording)) {
    const spoken = `Play the recording of ${person}`;
    const play = makeButton(`play ${recordingId}`, isPlaying ? "Playing" : "Play", spoken, () =>
      deeds.play(recording),
    );
    play.setAttribute("aria-pressed", `${isPlaying}`);
    made.push(play);
  }
  if (isOpen(recording)) {
    const label = paused ? "Resume" : "Pause";
    const spoken = `${label} the recording of ${person}`;
    made.push(makeButton(`pause ${recordingId}`, label, spoken, () => deeds.pause(recording, !paused)));
  }
  return made;
}
