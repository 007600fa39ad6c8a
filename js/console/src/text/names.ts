/** The names of stages and participants on the pages. */

import { idOf } from "../api/arn";
import type { Participant, Seat, Stage } from "../api/types";
import { nameOr } from "./shown";

export const seatKey = (stage: Stage, participant: Participant): string =>
  `${stage.arn}|${participant.participantId}`;

/**
 * Which encoder's stream of a redundant ingest it is, which nobody can watch or replicate by itself; 0 for all others.
 */
export const encoderOf = ({ ingest }: Participant): 0 | 1 | 2 =>
  ingest === "FIRST" ? 1 : ingest === "SECOND" ? 2 : 0;

/** Whether viewers see it. */
export const isShown = (participant: Participant): boolean =>
  participant.publishing && encoderOf(participant) === 0;

/** The participants of a redundant ingest have one user id. */
export function displayName(participant: Participant): string {
  const encoder = encoderOf(participant);
  return nameOr(participant.userId, participant.participantId) + (encoder ? `, encoder ${encoder}` : "");
}

export const stageName = (stage: { arn: string; name?: string }): string =>
  nameOr(stage.name, idOf(stage.arn));

export type Role = "SOURCE" | "REPLICA" | "";

/** What it is of a replication in progress. */
export const roleOf = (participant: Participant): Role =>
  participant.replicationType === "NONE" || participant.replicationState === "STOPPED"
    ? ""
    : participant.replicationType;

/** A participant and the stage in which it is, in words. */
export const seatName = ({ stage, participant }: Seat): string =>
  `${displayName(participant)} in ${stageName(stage)}`;

/** What is known of a participant, part by part. */
export function detailsOf(participant: Participant, stages: Stage[]): string[] {
  const parts = [];
  if (roleOf(participant) === "REPLICA") {
    const source = stages.find(stage => stage.arn === participant.sourceStageArn);
    parts.push(`from ${source ? stageName(source) : participant.sourceStageArn}`);
  }
  if (participant.ingest === "COMMON") parts.push("what viewers see of both encoders");
  if (encoderOf(participant)) parts.push("one stream of two; viewers see the common one");
  if (participant.userId) parts.push(participant.participantId);
  for (const [key, value] of Object.entries(participant.attributes)) parts.push(`${key}: ${value}`);
  return parts;
}

/** A number of things, in words. */
export const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;
