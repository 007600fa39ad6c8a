/** The calls about sessions that were, and who was in them. */

import { regionOf } from "./arn";
import { PAGE_ROWS, type PageOf } from "./paging";
import { operate } from "./transport";
import type { Participant } from "./types";

export interface Session {
  sessionId: string;
  startTime: string;
  /** None while it is in progress. */
  endTime?: string;
}

/** What ListParticipants has. */
export interface PastParticipant {
  participantId: string;
  userId?: string;
  state: Participant["state"];
  published: boolean;
  firstJoinTime?: string;
  recordingState?: string;
  replicationType?: Participant["replicationType"];
  replicationState?: "ACTIVE" | "STOPPED";
  sourceStageArn?: string;
  sourceSessionId?: string;
}

/** What GetParticipant has besides. */
export interface PastParticipantDetail extends PastParticipant {
  attributes?: Record<string, string>;
  protocol?: string;
  sdkVersion?: string;
  browserName?: string;
  browserVersion?: string;
  osName?: string;
  osVersion?: string;
  ispName?: string;
  recordingS3BucketName?: string;
  recordingS3Prefix?: string;
}

export interface StageEvent {
  name: string;
  participantId: string;
  eventTime: string;
  /** Whom it watches. */
  remoteParticipantId?: string;
  errorCode?: string;
  /** Where it is replicated to. */
  destinationStageArn?: string;
  destinationSessionId?: string;
  /** Whether it happened to a replica. */
  replica?: boolean;
}

/** At most one filter. */
export interface ParticipantFilter {
  filterByState?: Participant["state"];
  filterByPublished?: boolean;
  filterByUserId?: string;
}

export async function listSessions(stageArn: string, nextToken?: string): Promise<PageOf<Session>> {
  const input = { stageArn, maxResults: 50, nextToken };
  const page = await operate<{ stageSessions: Session[]; nextToken?: string }>(
    "ListStageSessions",
    regionOf(stageArn),
    input,
  );
  return { rows: page.stageSessions, nextToken: page.nextToken };
}

export const getSession = async (stageArn: string, sessionId: string): Promise<Session> =>
  (await operate<{ stageSession: Session }>("GetStageSession", regionOf(stageArn), { stageArn, sessionId }))
    .stageSession;

export async function listPastParticipants(
  stageArn: string,
  sessionId: string,
  filter: ParticipantFilter,
  nextToken?: string,
): Promise<PageOf<PastParticipant>> {
  const input = { stageArn, sessionId, ...filter, maxResults: 24, nextToken };
  const page = await operate<{ participants: PastParticipant[]; nextToken?: string }>(
    "ListParticipants",
    regionOf(stageArn),
    input,
  );
  return { rows: page.participants, nextToken: page.nextToken };
}

interface Where {
  stageArn: string;
  sessionId: string;
  participantId: string;
}

export const getPastParticipant = async (where: Where): Promise<PastParticipantDetail> =>
  (await operate<{ participant: PastParticipantDetail }>("GetParticipant", regionOf(where.stageArn), where))
    .participant;

export async function listEvents(where: Where, nextToken?: string): Promise<PageOf<StageEvent>> {
  const page = await operate<{ events: StageEvent[]; nextToken?: string }>(
    "ListParticipantEvents",
    regionOf(where.stageArn),
    { ...where, maxResults: PAGE_ROWS, nextToken },
  );
  return { rows: page.events, nextToken: page.nextToken };
}
