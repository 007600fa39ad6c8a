/** A viewer over TCP alone whose link gets too slow: it is followed as one over UDP, before its connection leaves pictures out. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { isInLab, runInLab, whyNoLab } from "../support/lab.js";
import { overTcp } from "../support/tcp.js";

const SELF = fileURLToPath(import.meta.url);
/** Most seconds until a smaller layer is shown, and the largest again; those of a viewer over UDP. */
const GOALS_S = { fallen: 3, climbed: 10 };
/** A busy machine is given this many times as long. */
const PATIENCE = 3;
const CONCEALED_PERCENT = 5;
const TIMES = {
  throttledMs: (GOALS_S.fallen * PATIENCE + 2) * 1_000,
  beginMs: GOALS_S.fallen * PATIENCE * 1_000,
  freeMs: GOALS_S.climbed * PATIENCE * 1_000,
};

if (isInLab()) {
  test("a slow connection gets a smaller layer and keeps its sound, and gets the largest again", async () => {
    const { path, fallenS, climbedS, settled, throttledBps, isTooMuch } = await overTcp("VP8", TIMES);
    console.log(
      `over ${path}, ${throttledBps} bit/s: a smaller layer after ${fallenS.toFixed(1)} s, then ${settled.fps.toFixed(1)} pictures a second and ` +
        `${settled.concealedPercent.toFixed(1)} % of sound concealed; the largest again after ${climbedS.toFixed(1)} s`,
    );
    assert.match(path, /^tcp/);
    if (fallenS !== Number.POSITIVE_INFINITY || isTooMuch)
      assert.ok(fallenS <= GOALS_S.fallen * PATIENCE, `a smaller layer after ${fallenS} s`);
    else console.log("the publisher had no processor: its largest layer was not too much for the link");
    assert.ok(climbedS <= GOALS_S.climbed * PATIENCE, `the largest layer again after ${climbedS} s`);
    assert.ok(
      settled.concealedPercent <= CONCEALED_PERCENT,
      `${settled.concealedPercent} % of sound concealed`,
    );
  });
} else {
  test("in a network of namespaces", { skip: whyNoLab() }, async () => {
    await runInLab(["--test", SELF]);
  });
}
