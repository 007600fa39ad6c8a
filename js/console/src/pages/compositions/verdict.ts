/** One sentence about how a composition does, from what its compositor counts. */

import type { Item, Live, Recent, Told, ToldDestination } from "../../api/compositions";
import { counted } from "../../text/names";

export interface Judgement {
  verdict: "ok" | "off" | "warn" | "fail";
  sentence: string;
}

/** The share of the frame rate below which pictures are missing. */
const RATE_MIN = 0.93;
/** The share of pictures that may be late. */
const LATE_MAX = 0.02;
/** A restart is worth a word for so long. */
const RESTART_MS = 10 * 60_000;
/** A compositor that takes less of a processor than this is not what keeps the machine busy. */
const OWN_LOAD = 0.6;
/** Pictures that cannot be decoded, within the last seconds, from which on they are worth a word. */
const DAMAGED_MIN = 10;

const MINUTE_MS = 60_000;

const round = (number: number) => `${Math.round(number * 10) / 10}`;

/** A time span before now. */
export const ago = (ms: number): string =>
  ms < MINUTE_MS
    ? `${counted(Math.round(ms / 1000), "second")} ago`
    : `${counted(Math.round(ms / MINUTE_MS), "minute")} ago`;

const ended = (text: string) => (/[.!?…]$/.test(text) ? text : `${text}.`);

/** How much of one processor the compositor takes. */
export const loadOf = ({ load }: Recent): number => load.decode + load.compose + load.encode + load.mix;

const say = (verdict: Judgement["verdict"], sentence: string): Judgement => ({ verdict, sentence });

export function judge({ summary, told }: Item): Judgement {
  if (summary.state === "STOPPED") return say("off", "It has ended as it should.");
  if (summary.state === "FAILED") {
    return say("fail", ended(told?.failure ? `It has failed: ${told.failure.reason}` : "It has failed"));
  }
  if (summary.state === "STOPPING") {
    return say("off", "It ends; what is recorded is brought to its bucket.");
  }
  const live = told?.live;
  if (!live) return say("off", "It is about to be composed.");
  return ofStart(live) ?? ofDestinations(told) ?? ofTime(live) ?? ofRestarts(live) ?? ofInputs(live);
}

function ofStart({ composingMs, health }: Live): Judgement | undefined {
  if (composingMs !== null) return undefined;
  return health.lastRestart
    ? say("warn", ended(`Its compositor is being started again: ${health.lastRestart.reason}`))
    : say("off", "Its compositor starts.");
}

function ofDestinations({ destinations }: Told): Judgement | undefined {
  const failed = destinations.find(({ failure }) => failure);
  if (failed?.failure) {
    return say("warn", ended(`${whereTo(failed)} has failed: ${failed.failure.reason}`));
  }
  const waiting = destinations.find(({ waits }) => waits);
  if (waiting?.waits) {
    return say(
      "warn",
      ended(`${whereTo(waiting)} takes nothing at the moment, and recordings wait: ${waiting.waits}`),
    );
  }
  const away = destinations.find(({ state }) => state === "RECONNECTING");
  return away && say("warn", `${whereTo(away)} gets nothing at the moment; it is tried again.`);
}

const whereTo = ({ channelArn, bucket }: ToldDestination) =>
  channelArn ? `The channel ${channelArn.slice(channelArn.lastIndexOf("/") + 1)}` : `The bucket ${bucket}`;

function ofTime({ encodings, health }: Live): Judgement | undefined {
  const { recent } = health;
  if (!recent) return undefined;
  const slow = encodings.find(
    ({ framerate, picturesPerSecond }) =>
      picturesPerSecond !== null && picturesPerSecond < framerate * RATE_MIN,
  );
  const isLate = recent.lateTicks > recent.ticks * LATE_MAX;
  if (!isLate && recent.skippedPictures === 0 && !slow) return undefined;
  const of = slow ?? encodings[0];
  const rate = of
    ? `${round(of.picturesPerSecond ?? 0)} of ${round(of.framerate)} pictures a second are made`
    : "pictures are late";
  const counts = `in ${Math.round(recent.lastedMs / 1000)} seconds ${recent.lateTicks} were late and ${recent.skippedPictures} left out`;
  const load = loadOf(recent);
  const remedy =
    load < OWN_LOAD
      ? `The compositor takes ${round(load)} of a processor: something else keeps the machine busy.`
      : "A smaller picture, fewer pictures a second or fewer participants need less.";
  return say("warn", `The machine is short of processor time: ${rate}; ${counts}. ${remedy}`);
}

function ofRestarts({ health: { restarts, lastRestart } }: Live): Judgement | undefined {
  if (!lastRestart || lastRestart.agoMs > RESTART_MS) return undefined;
  const times = counted(restarts, "time");
  return say(
    "warn",
    ended(`Its compositor was restarted ${times}, last ${ago(lastRestart.agoMs)}: ${lastRestart.reason}`),
  );
}

function ofInputs({ encodings, health }: Live): Judgement {
  const { recent, inputs } = health;
  if (!recent) return say("off", "It has just begun.");
  if (inputs === 0) {
    return say("warn", "Nobody publishes in the stage; after a minute of that it ends by itself.");
  }
  if (recent.undecodable >= DAMAGED_MIN) {
    return say(
      "warn",
      `${recent.undecodable} pictures of participants could not be decoded in ${Math.round(recent.lastedMs / 1000)} seconds.`,
    );
  }
  const tiles = encodings[0]?.tiles ?? [];
  const named = tiles.filter(({ shows }) => shows === "NAME").length;
  const rate = encodings[0]?.picturesPerSecond ?? 0;
  const who = named > 0 ? `; a name only in ${named} of ${counted(tiles.length, "tile")}` : "";
  const late = recent.lateTicks > 0 ? `${recent.lateTicks} late` : "none late";
  return say("ok", `Fine: ${round(rate)} pictures a second, ${late}${who}.`);
}
