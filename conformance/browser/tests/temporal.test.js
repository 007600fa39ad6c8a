/**
 * A publisher whose one layer, of VP8 or AV1, has three temporal layers, and a viewer whose network does not carry all of it: it is shown
 * pictures of the same size, but fewer, and all of them again. The viewer beside it notices nothing.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { isInLab, runInLab, whyNoLab } from "../support/lab.js";
import { Scene, seen } from "../support/throttled.js";

const SELF = fileURLToPath(import.meta.url);
/** The layer and sound take 1.05 Mbit/s; with the middle of the temporal layers 0.65, with the base alone 0.45. */
const THROTTLED_BPS = 800_000;
const HEIGHT = 540;
/** As long as a home router's: key frames of the one layer fit into it. */
const QUEUE_MS = 1_000;
/** One into which a key frame fits only while it is nearly empty. */
const SHORT_QUEUE_MS = 300;
/** The share of the other viewer's pictures that the base alone has, with some to spare. */
const BASE_LEAST = 0.15;
/** The most of the sound that is concealed while it is whole. */
const CONCEALED_PERCENT_MAX = 2;
/** The share of the other viewer's pictures that counts as about a half. */
const HALF = { least: 0.35, most: 0.7 };
/** Shares are measured over a time that moves on by this, so that one as wanted is found wherever it begins. */
const STEP_MS = 1_000;
const WINDOW_STEPS = 5;
/** So many of these times one after the other, 15 seconds, are to be even. */
const EVEN_TIMES = 11;
/** A busy machine may take so long to get there: its own delays look like those of a full queue. */
const UNTIL_MS = 120_000;

/** Measures until a share of the other's pictures is as wanted. */
async function until(scene, bps, isWanted, what) {
  const steps = [];
  let share = 0;
  const endsAt = Date.now() + UNTIL_MS;
  while (Date.now() < endsAt) {
    steps.push(await scene.during(bps, STEP_MS));
    if (steps.length < WINDOW_STEPS) continue;
    steps.splice(0, steps.length - WINDOW_STEPS);
    const slow = seen(steps.flatMap(({ viewer }) => viewer));
    const fast = seen(steps.flatMap(({ beside }) => beside));
    assert.deepEqual(
      [...slow.heights, ...fast.heights],
      [HEIGHT, HEIGHT],
      "nobody's picture changes its size",
    );
    assert.equal(fast.lost, 0, "the viewer beside it loses nothing");
    share = slow.fps / fast.fps;
    if (isWanted(share, slow)) return { share, ...slow };
  }
  assert.fail(`${what}: ${share.toFixed(2)} of the pictures`);
}

if (isInLab()) {
  for (const codec of ["VP8", "AV1"]) {
    test(`${codec}: a throttled viewer is shown every other picture of the same size, and all again`, async () => {
      const scene = await Scene.open({ codec, scalabilityMode: "L1T3" });
      scene.queueMs = QUEUE_MS;
      try {
        // Evenly, once the queue before the link is empty again.
        const isHalf = (share, { freezes }) => share >= HALF.least && share <= HALF.most && freezes === 0;
        const half = await until(scene, THROTTLED_BPS, isHalf, "half");
        const all = await until(scene, undefined, share => share > 0.9, "all");
        console.log(
          `${codec} throttled: ${half.fps.toFixed(1)} pictures a second (${half.share.toFixed(2)} of all), frozen for ` +
            `${half.frozenS.toFixed(1)} s, ${half.concealedPercent.toFixed(1)} % of sound concealed; then ${all.fps.toFixed(1)}`,
        );
      } finally {
        await scene.close();
      }
    });
  }

  test("VP8: behind a short queue the picture is thinned, and stays", async () => {
    const scene = await Scene.open({ codec: "VP8", scalabilityMode: "L1T3" });
    scene.queueMs = SHORT_QUEUE_MS;
    try {
      let even = 0;
      const isEven = (share, { freezes }) => {
        even = freezes === 0 && share >= BASE_LEAST ? even + 1 : 0;
        return even === EVEN_TIMES;
      };
      await until(scene, THROTTLED_BPS, isEven, "some of the pictures, evenly");
    } finally {
      await scene.close();
    }
  });

  test("H264: behind a short queue the only layer is paused, and sound is whole", async () => {
    const scene = await Scene.open({ codec: "H264", scalabilityMode: "L1T1" });
    scene.queueMs = SHORT_QUEUE_MS;
    try {
      const isPaused = (share, { concealedPercent }) =>
        share === 0 && concealedPercent <= CONCEALED_PERCENT_MAX;
      await until(scene, THROTTLED_BPS, isPaused, "no pictures, and all of the sound");
      await until(scene, undefined, share => share > 0.9, "all");
    } finally {
      await scene.close();
    }
  });
} else {
  test("in a network of namespaces", { skip: whyNoLab() }, async () => {
    await runInLab(["--test", SELF]);
  });
}
