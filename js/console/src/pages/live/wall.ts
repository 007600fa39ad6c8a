/** Which participants are watched on the page of a stage. The choice is kept for the tab. */

import { signal } from "@preact/signals";

import type { Seat, Stage } from "../../api/types";
import { isShown, roleOf, seatKey } from "../../text/names";

const CHOICES = "restage-console-watched";
/** Participants that play by themselves until something is chosen: each is a connection of its own. */
const FIRST_MAX = 4;
/** Stages whose choice is kept. */
const STAGES_MAX = 100;

type Choices = Record<string, string[]>;

function kept(): Choices {
  try {
    return JSON.parse(sessionStorage.getItem(CHOICES) ?? "{}");
  } catch {
    return {};
  }
}

/** The seats that were chosen on each stage's page. */
const choices = signal<Choices>(kept());

/** All participants that viewers see, by their keys. */
function seatsOf(stages: Stage[]): Map<string, Seat> {
  const seats = stages.flatMap(stage =>
    stage.participants.filter(isShown).map(participant => ({ stage, participant })),
  );
  return new Map(seats.map(seat => [seatKey(seat.stage, seat.participant), seat]));
}

/** The key of the source of a replica; undefined for others. */
export const sourceKeyOf = ({ participant }: Seat): string | undefined =>
  roleOf(participant) === "REPLICA" && participant.sourceStageArn
    ? `${participant.sourceStageArn}|${participant.participantId}`
    : undefined;

/** The first publishers of the stage, sources before replicas, and the source of the first replica beside it. */
function firstKeys(stage: Stage, seats: Map<string, Seat>): string[] {
  const own = [...seats.values()].filter(seat => seat.stage.arn === stage.arn).slice(0, FIRST_MAX);
  const replica = own.find(seat => sourceKeyOf(seat) !== undefined);
  const source = replica && sourceKeyOf(replica);
  return own.flatMap(seat => {
    const key = seatKey(seat.stage, seat.participant);
    return seat === replica && source && seats.has(source) ? [source, key] : [key];
  });
}

/** The keys that are wanted on the page of a stage, whether or not somebody publishes there. */
export function wantedKeys(stage: Stage, stages: Stage[]): string[] {
  return choices.value[stage.arn] ?? firstKeys(stage, seatsOf(stages));
}

/** Who is shown on the page of a stage: the wanted who publish. */
export function watchedSeats(stage: Stage, stages: Stage[]): Seat[] {
  const seats = seatsOf(stages);
  return wantedKeys(stage, stages).flatMap(key => seats.get(key) ?? []);
}

/** Chooses who is watched on the page of a stage. */
export function choose(stage: Stage, stages: Stage[], keys: string[], isWanted: boolean): void {
  const others = wantedKeys(stage, stages).filter(key => !keys.includes(key));
  const { [stage.arn]: _, ...rest } = choices.value;
  const entries = Object.entries(rest).slice(1 - STAGES_MAX);
  choices.value = {
    ...Object.fromEntries(entries),
    [stage.arn]: isWanted ? [...others, ...keys] : others,
  };
  sessionStorage.setItem(CHOICES, JSON.stringify(choices.value));
}
