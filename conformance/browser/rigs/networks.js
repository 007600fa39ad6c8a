/**
 * Measures what Chromium shows on bad networks, a line each. `node conformance/browser/rigs/networks.js [CODEC [NETWORK [TIMES]]]`,
 * where NETWORK is `halved`, `lossy` or `remb`, without it all of them; needs root.
 *
 * Halved: 1.5 Mbit/s, then half of it, then all of it again. Lossy: 2 % of UDP packets each way, and 50 ms of round trip, for a
 * minute. Remb: a viewer whose offer has no transport-wide feedback behind 400 kbit/s for twelve seconds, and then free again; once
 * with three layers and once with one. `RESTAGE_BINARY` names the server's binary.
 */

import { fileURLToPath } from "node:url";

import { isInLab, runInLab, whyNoLab } from "../support/lab.js";
import { after, Scene, seen } from "../support/throttled.js";

const SELF = fileURLToPath(import.meta.url);
const CAPACITY_BPS = 1_500_000;
const LARGEST = 540;
const SETTLED_MS = 8_000;
const HALVED_MS = 20_000;
const LOSSY_MS = 60_000;
/** What the link of the viewer with REMB alone carries, and for how long. */
const [NARROW_BPS, NARROW_MS] = [400_000, 12_000];
/** For how long it is free at most, and for how long the largest layer has to have come then. */
const [FREE_MS, KEPT_MS] = [60_000, 10_000];
/** Without a new picture for so long a layer is away. */
const PAUSED_MS = 1_000;
/** The one layer of a publisher without simulcast. */
const ONE_LAYER = "L1T1";
const LOSS = { delayMs: 25, lossPercent: 2, seed: 20261129 };
/** Of the pictures of its layer that the publisher encodes in a second, the share after which the viewer counts as recovered. */
const RECOVERED = 0.8;
/** Pictures a second, and a time in which a freeze and its cause have their places. */
const [FPS, FREEZE_MS] = [20, 600];
/** How long a picture is on its way at most, as far as counting goes. */
const UNDER_WAY_MS = 300;

/** Pictures of a layer that were encoded up to a time. */
function encodedUntil(encoded, height, at) {
  const before = encoded.findLast(one => one.at <= at && one.frames[height] !== undefined);
  return before?.frames[height] ?? 0;
}

/** Seconds until pictures come as they should again, and go on so: the end of the last second with too few. */
function recovered({ viewer, encoded, from }) {
  let end = 0;
  for (const [place, first] of viewer.entries()) {
    const last = viewer.slice(place).find(one => one.at - first.at >= 1_000);
    if (!last) break;
    const counts = [first, last].map(({ height }) => {
      const [begun, ended] = [first, last].map(({ at }) => encodedUntil(encoded, height, at - UNDER_WAY_MS));
      return ended - begun;
    });
    if (last.frames - first.frames < RECOVERED * Math.min(...counts)) end = (last.at - from) / 1_000;
  }
  return end;
}

/** Freezes during which the publisher encoded as many pictures as it should: those of others are no fault of the network. */
function ownFreezes({ viewer, encoded }) {
  const own = viewer.slice(1).filter((sample, place) => {
    if (sample.freezes === viewer[place].freezes) return false;
    const count =
      encodedUntil(encoded, LARGEST, sample.at) - encodedUntil(encoded, LARGEST, sample.at - FREEZE_MS);
    return count >= (RECOVERED * FPS * FREEZE_MS) / 1_000;
  });
  return own.length;
}

const text = of =>
  `${of.fps.toFixed(1)} pictures/s, ${of.freezes} freezes (${of.frozenS.toFixed(1)} s), ${of.lost} packets lost, ` +
  `${of.concealedPercent.toFixed(2)} % of sound concealed, heights ${of.heights}`;

async function halved(codec, isReplica) {
  const scene = await Scene.open({ codec, isReplica });
  try {
    await scene.during(CAPACITY_BPS, SETTLED_MS);
    const half = await scene.during(CAPACITY_BPS / 2, HALVED_MS);
    const whole = await scene.during(CAPACITY_BPS, HALVED_MS, one => one.height === LARGEST);
    const climbedS = after(whole.viewer, whole.from, one => one.height === LARGEST);
    const fallenS = after(half.viewer, half.from, one => one.height < LARGEST);
    console.log(
      `halved, ${codec}${isReplica ? ", replica" : ""}: below after ${half.aboveS.toFixed(1)} s, smaller layer after ` +
        `${fallenS.toFixed(1)} s, recovered after ${recovered(half).toFixed(1)} s, largest again after ` +
        `${climbedS.toFixed(1)} s; ${text(seen(half.viewer))}; beside: ${text(seen(half.beside))}`,
    );
  } finally {
    await scene.close();
  }
}

/** Seconds until the largest layer comes for good: its newest sample without it, or without a new picture for a while. */
function back(samples, from) {
  const isAway = (sample, place) => {
    if (sample.height !== LARGEST) return true;
    // A layer that is paused keeps its height.
    const before = samples.slice(0, place).findLast(one => one.at <= sample.at - PAUSED_MS);
    return before?.frames === sample.frames;
  };
  const away = samples.findLast(isAway);
  return away ? (away.at - from) / 1_000 : 0;
}

/** Ends a time once the largest layer has come for so long. */
function isBackFor(keptMs) {
  const samples = [];
  return sample => {
    if (sample.at !== samples.at(-1)?.at) samples.push(sample);
    return sample.at - samples[0].at >= back(samples, samples[0].at) * 1_000 + keptMs;
  };
}

/** Which heights were shown from when on. */
function course(samples, from) {
  const steps = samples.filter((sample, place) => sample.height !== samples[place - 1]?.height);
  return steps.map(({ at, height }) => `${height} at ${((at - from) / 1_000).toFixed(1)}`).join(", ");
}

async function remb(codec, isReplica, scalabilityMode) {
  const scene = await Scene.open({ codec, scalabilityMode, isReplica, hasRembAlone: true });
  try {
    const narrow = await scene.during(NARROW_BPS, NARROW_MS);
    const free = await scene.during(undefined, FREE_MS, isBackFor(KEPT_MS));
    const layers = scalabilityMode ? "one layer" : "three layers";
    const samples = [...narrow.viewer, ...free.viewer];
    console.log(
      `remb, ${codec}, ${layers}${isReplica ? ", replica" : ""}: below after ${narrow.aboveS.toFixed(1)} s, largest for good ` +
        `after ${back(free.viewer, free.from).toFixed(1)} s (heights ${course(samples, free.from)} s); throttled: ` +
        `${text(seen(narrow.viewer))}; beside: ${text(seen([...narrow.beside, ...free.beside]))}`,
    );
  } finally {
    await scene.close();
  }
}

async function lossy(codec, isReplica) {
  const scene = await Scene.open({ codec, isReplica, impaired: LOSS });
  try {
    const all = await scene.during(undefined, LOSSY_MS);
    console.log(
      `lossy, ${codec}${isReplica ? ", replica" : ""}: ${text(seen(all.viewer))}, ${ownFreezes(all)} freezes while the ` +
        `publisher encoded all pictures; beside: ${text(seen(all.beside))}`,
    );
  } finally {
    await scene.close();
  }
}

if (isInLab()) {
  const [codec = "VP8", network, times = "1"] = process.argv.slice(2);
  const wants = name => network === undefined || network === name;
  for (let turn = 0; turn < Number(times); turn++)
    for (const isReplica of [false, true]) {
      if (wants("halved")) await halved(codec, isReplica);
      if (wants("lossy")) await lossy(codec, isReplica);
      if (wants("remb")) for (const mode of [undefined, ONE_LAYER]) await remb(codec, isReplica, mode);
    }
} else if (!whyNoLab()) {
  await runInLab([SELF, ...process.argv.slice(2)]);
}
