/** What is said of a recording. */

import { idOf } from "../../api/arn";
import type { Recording } from "../../api/recordings";
import { nameOr } from "../../text/shown";

const SECOND_MS = 1000;
const MINUTE_S = 60;
const HOUR_S = 3600;

/** A length as people read it, such as `1:02:03` or `0:07`. */
export function describeLength(ms: number): string {
  const all = Math.round(ms / SECOND_MS);
  const hours = Math.floor(all / HOUR_S);
  const parts = [Math.floor((all % HOUR_S) / MINUTE_S), all % MINUTE_S];
  const text = parts
    .map((part, at) => (at > 0 || hours > 0 ? `${part}`.padStart(2, "0") : `${part}`))
    .join(":");
  return hours > 0 ? `${hours}:${text}` : text;
}

export const isOpen = ({ recordingState }: Recording): boolean =>
  recordingState === "STARTING" || recordingState === "ACTIVE";

/** Whether there may be something to play. */
export const isPlayable = ({ startTime, mediaTypes, durationMs }: Recording): boolean =>
  startTime !== undefined && durationMs !== 0 && !mediaTypes.includes("NONE");

/** The stage by its name, or by its id if it has none or was deleted. */
export const stageOf = ({ stageArn, stageName }: Recording, names: Map<string, string>): string =>
  stageName ?? (names.get(stageArn) || idOf(stageArn));

/** Whose recording it is: by user id and by id, as several participants may have one user id. */
export const personOf = ({ userId, participantId }: Recording): string =>
  nameOr(userId, "") ? `${userId} · ${participantId}` : participantId;

/** Where it was recorded, and when and how long. */
export function detailsOf(recording: Recording, names: Map<string, string>): string[] {
  const { startTime, creationTime, durationMs, sourceStageArn } = recording;
  const stage = stageOf(recording, names);
  const source = sourceStageArn && (names.get(sourceStageArn) || idOf(sourceStageArn));
  const when = new Date(startTime ?? creationTime).toLocaleString();
  const length = durationMs === undefined ? "" : ` · ${describeLength(durationMs)}`;
  return [source ? `${stage}, replica from ${source}` : stage, `${when}${length}`];
}

/** Its state in a word. */
export const wordOf = ({ recordingState, paused }: Recording): string =>
  paused && recordingState === "ACTIVE" ? "PAUSED" : recordingState;
