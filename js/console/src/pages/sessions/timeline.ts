/** What a time line shows of a participant: when it was there, published and was replicated, and what went wrong. */

import { idOf } from "../../api/arn";
import type { StageEvent } from "../../api/history";

/** From when to when, in milliseconds since 1970. */
export interface Span {
  fromMs: number;
  toMs: number;
}

export interface Mark {
  atMs: number;
  kind: "watch" | "error";
  event: StageEvent;
}

export interface Line {
  joined: Span[];
  published: Span[];
  /** Times in which it had at least one replica. */
  replicated: Span[];
  marks: Mark[];
}

const timeOf = ({ eventTime }: StageEvent) => Date.parse(eventTime);

/** From the oldest to the newest; those of one moment in the order in which the server has them. */
export const inOrder = (events: StageEvent[]): StageEvent[] =>
  [...events].sort((a, b) => timeOf(a) - timeOf(b));

/** Spans between events that begin and end something, which may be under way several times at once. */
function spansOf(events: StageEvent[], begin: string, end: string, endMs: number): Span[] {
  const spans: Span[] = [];
  let count = 0;
  let fromMs = 0;
  for (const event of events) {
    if (event.name === begin) {
      if (count === 0) fromMs = timeOf(event);
      count += 1;
    } else if (event.name === end && count > 0) {
      count -= 1;
      if (count === 0) spans.push({ fromMs, toMs: timeOf(event) });
    }
  }
  if (count > 0) spans.push({ fromMs, toMs: Math.max(endMs, fromMs) });
  return spans;
}

/** @param endMs Until when what has not ended goes on: the end of the session, or now. */
export function lineOf(events: StageEvent[], endMs: number): Line {
  const ordered = inOrder(events);
  const marks = ordered.flatMap((event): Mark[] => {
    const atMs = timeOf(event);
    if (event.errorCode || event.name.endsWith("_ERROR")) return [{ atMs, kind: "error", event }];
    return event.name === "SUBSCRIBE_STARTED" ? [{ atMs, kind: "watch", event }] : [];
  });
  return {
    joined: spansOf(ordered, "JOINED", "LEFT", endMs),
    published: spansOf(ordered, "PUBLISH_STARTED", "PUBLISH_STOPPED", endMs),
    replicated: spansOf(ordered, "REPLICATION_STARTED", "REPLICATION_STOPPED", endMs),
    marks,
  };
}

const WORDS: Record<string, string> = {
  JOINED: "joins",
  LEFT: "leaves",
  PUBLISH_STARTED: "begins to publish",
  PUBLISH_STOPPED: "stops publishing",
  SUBSCRIBE_STARTED: "begins to watch",
  SUBSCRIBE_STOPPED: "stops watching",
  REPLICATION_STARTED: "is replicated",
  REPLICATION_STOPPED: "is no longer replicated",
  PUBLISH_ERROR: "could not publish",
  SUBSCRIBE_ERROR: "could not watch",
  JOIN_ERROR: "could not join",
  TOKEN_EXCHANGED: "exchanges its token",
};

interface Names {
  /** Of participants by id. */
  people: Map<string, string>;
  /** Of stages by ARN. */
  stages: Map<string, string>;
}

/** What happened, in words. The error's code follows. */
export function describeEvent(event: StageEvent, { people, stages }: Names): string {
  const words = [WORDS[event.name] ?? event.name];
  const { remoteParticipantId: remote, destinationStageArn: destination } = event;
  if (remote) words.push(people.get(remote) ?? remote);
  if (destination) words.push(`to ${stages.get(destination) ?? idOf(destination)}`);
  if (event.replica) words.push("as a replica");
  return words.join(" ") + (event.errorCode ? `: ${event.errorCode}` : "");
}

/** Steps between the labels of the axis, in seconds. */
const STEPS_S = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200, 86_400];
/** Labels at most. */
const LABELS_MAX = 6;

/** The moments that are labelled between two others, in milliseconds after the first. */
export function ticksOf(spanMs: number): number[] {
  const stepS =
    STEPS_S.find(step => spanMs / (step * 1000) <= LABELS_MAX) ??
    Math.ceil(spanMs / 86_400_000 / LABELS_MAX) * 86_400;
  const ticks = [];
  for (let atMs = 0; atMs <= spanMs; atMs += stepS * 1000) ticks.push(atMs);
  return ticks;
}
