/** The operations that pages of stages, replication and the network call. */

import { regionOf } from "./arn";
import { call, operate } from "./transport";
import type { ConnectionPage, ListedStage, NewToken, PathCheck, ReplicaPage, Stage, State } from "./types";

export const fetchState = () => call<State>("state");

export const listStages = (region: string, maxResults: number, nextToken?: string) =>
  operate<{ stages: ListedStage[]; nextToken?: string }>("ListStages", region, { maxResults, nextToken });

export async function createStage(
  region: string,
  name: string,
  tags: Record<string, string>,
): Promise<ListedStage> {
  const wished = { ...(name && { name }), ...(Object.keys(tags).length > 0 && { tags }) };
  return (await operate<{ stage: ListedStage }>("CreateStage", region, wished)).stage;
}

export const deleteStage = (arn: string) => operate<object>("DeleteStage", regionOf(arn), { arn });

export interface TokenWishes {
  userId?: string;
  attributes?: Record<string, string>;
  capabilities: string[];
  /** In minutes. */
  duration: number;
}

export async function createToken(stageArn: string, wishes: TokenWishes): Promise<NewToken> {
  const request = { stageArn, ...wishes };
  const answer = await operate<{ participantToken: NewToken }>(
    "CreateParticipantToken",
    regionOf(stageArn),
    request,
  );
  return answer.participantToken;
}

/** A participant in one stage that is, or is to be, shown in another. */
export interface Replication {
  sourceStageArn: string;
  destinationStageArn: string;
  participantId: string;
}

export const startReplication = (replication: Replication, reconnectWindowSeconds: number) =>
  operate<object>("StartParticipantReplication", regionOf(replication.sourceStageArn), {
    ...replication,
    reconnectWindowSeconds,
  });

export const stopReplication = (replication: Replication) =>
  operate<object>("StopParticipantReplication", regionOf(replication.sourceStageArn), replication);

export const listReplicas = (
  sourceStageArn: string,
  participantId: string,
  page: { maxResults?: number; nextToken?: string },
) =>
  operate<ReplicaPage>("ListParticipantReplicas", regionOf(sourceStageArn), {
    sourceStageArn,
    participantId,
    ...page,
  });

export const disconnect = (stage: Stage, participantId: string) =>
  operate<object>("DisconnectParticipant", regionOf(stage.arn), {
    stageArn: stage.arn,
    participantId,
    reason: "console",
  });

/** A page of the media connections of a stage. */
export function listConnections(stageArn: string, nextToken?: string): Promise<ConnectionPage> {
  const query = new URLSearchParams({ stageArn, ...(nextToken && { nextToken }) });
  return call<ConnectionPage>(`connections?${query}`, { region: regionOf(stageArn) });
}

/** Begins a check of the paths of media. The server ends it by itself after some minutes. */
export async function beginPathCheck(region: string): Promise<PathCheck> {
  const askedMs = Date.now();
  const path = `path-check?region=${encodeURIComponent(region)}`;
  const check = await call<PathCheck>(path, { method: "POST", region });
  return { ...check, askedMs: (askedMs + Date.now()) / 2 };
}

export const endPathCheck = ({ stageArn }: PathCheck) =>
  call<void>("path-check/end", {
    method: "POST",
    body: { stageArn },
    region: regionOf(stageArn),
    keepalive: true,
  });
