/**
 * Viewers on hosts of their own, one of which has a network that gets worse and better again: what it is shown, and that the
 * viewer beside it notices nothing. In the publisher's stage, and in one that the publisher is replicated to.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { isInLab, runInLab, whyNoLab } from "../support/lab.js";
import { after, Scene, seen } from "../support/throttled.js";

const SELF = fileURLToPath(import.meta.url);
/** What the throttled link carries: the layer in the middle and sound, but not the largest, which has 1.2 Mbit/s. */
const THROTTLED_BPS = 600_000;
const LARGEST = 540;
/** Most seconds until less than the link carries is sent, a smaller layer is shown, and the largest again. */
const GOALS_S = { below: 1, fallen: 3, climbed: 10 };
/** A busy machine is given this many times as long. */
const PATIENCE = 3;
/** The link is throttled, and free again, for this long. */
const [THROTTLED_MS, FREE_MS] = [6_000, GOALS_S.climbed * PATIENCE * 1_000];
/** Pictures a second that the viewer beside must have been shown, of twenty. */
const FPS_MIN = 12;

/** @param {string} where @param {{ codec: string, isReplica: boolean }} wishes */
async function followsItsNetwork(where, wishes) {
  const scene = await Scene.open(wishes);
  try {
    const bad = await scene.during(THROTTLED_BPS, THROTTLED_MS);
    const fallenS = after(bad.viewer, bad.from, one => one.height < LARGEST);
    const good = await scene.during(undefined, FREE_MS, one => one.height === LARGEST);
    const climbedS = after(good.viewer, good.from, one => one.height === LARGEST);
    const [viewer, beside] = [seen(bad.viewer), seen([...bad.beside, ...good.beside])];
    console.log(
      `${where}: below the link's rate after ${bad.aboveS.toFixed(1)} s, a smaller layer after ${fallenS.toFixed(1)} s, the ` +
        `largest again after ${climbedS.toFixed(1)} s; meanwhile frozen for ${viewer.frozenS.toFixed(1)} s, ` +
        `${viewer.concealedPercent.toFixed(1)} % of sound concealed; beside it ${beside.fps.toFixed(1)} pictures a second`,
    );
    assert.ok(bad.aboveS <= GOALS_S.below * PATIENCE, `above the link's rate for ${bad.aboveS} s`);
    assert.ok(fallenS <= GOALS_S.fallen * PATIENCE, `a smaller layer after ${fallenS} s`);
    assert.ok(climbedS <= GOALS_S.climbed * PATIENCE, `the largest layer again after ${climbedS} s`);
    assert.deepEqual(beside.heights, [LARGEST], "the viewer beside it keeps the largest layer");
    assert.equal(beside.lost, 0);
    assert.ok(beside.fps >= FPS_MIN, `${beside.fps} pictures a second beside it`);
  } finally {
    await scene.close();
  }
}

if (isInLab()) {
  test("a throttled viewer gets a smaller layer, and the largest again", async () => {
    await followsItsNetwork("in the publisher's stage", { codec: "VP8", isReplica: false });
  });

  test("a throttled viewer of a replica, likewise", async () => {
    await followsItsNetwork("of a replica", { codec: "H264", isReplica: true });
  });
} else {
  test("in a network of namespaces", { skip: whyNoLab() }, async () => {
    await runInLab(["--test", SELF]);
  });
}
