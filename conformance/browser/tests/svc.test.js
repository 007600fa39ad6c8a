/**
 * Spatial layers within one stream (SVC): a viewer is shown the layer that it wishes for or that its network carries, and the one
 * beside it the largest.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { openPage } from "../support/browser.js";
import { isInLab, runInLab, whyNoLab } from "../support/lab.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { Scene, seen } from "../support/throttled.js";
import { eventuallySeen } from "../support/wait.js";

const SELF = fileURLToPath(import.meta.url);
/** Heights of the layers: encoders round the smallest up. */
const [SMALLEST, MIDDLE, LARGEST] = [136, 270, 540];
/** How long a busy machine may take to reach a layer. */
const CLIMB_MS = 60_000;
/** Pictures that show that a layer goes on. */
const FURTHER = 20;
/** The stream and sound take 1.05 Mbit/s. */
const THROTTLED_BPS = 600_000;
const WINDOW_MS = 5_000;
/** A busy machine may take so many times to get there. */
const WINDOWS_MAX = 12;

const newestOf = page => page.evaluate("window.samples?.at(-1)");

/** Waits until a page shows pictures of this height, and that they go on. */
async function shows(page, height, what) {
  const first = await eventuallySeen(
    () => newestOf(page),
    one => one?.height === height,
    what,
    CLIMB_MS,
  );
  const isFurther = one => one?.height === height && one.frames >= first.frames + FURTHER;
  return eventuallySeen(() => newestOf(page), isFurther, `${what} goes on`, CLIMB_MS);
}

async function wished(codec, scalabilityMode) {
  const stage = await stages.create("svc");
  const { participantId, token } = await stages.token(stage, { userId: "ann" });
  const publisher = await openPage(browser, site, "wires.html");
  const wishes = { url: `${server.url}/whip`, token, codec, scalabilityMode };
  await publisher.evaluate(all => window.publish(all), wishes);
  await stages.waitFor(stage, participantId, "CONNECTED");
  const watch = async query => {
    const viewer = await stages.token(stage, { capabilities: ["SUBSCRIBE"] });
    const page = await openPage(browser, site, "wires.html");
    const url = `${server.url}/whep/${participantId}${query}`;
    await page.evaluate(all => window.watch(all), { url, token: viewer.token });
    return page;
  };
  const large = await watch("");
  const small = await watch("?preferredLayer=low");
  const middle = await watch(`?maxHeight=${MIDDLE}`);
  await shows(large, LARGEST, "the largest");
  await shows(small, SMALLEST, "the smallest");
  await shows(middle, MIDDLE, "the one in the middle");
  const after = await shows(large, LARGEST, "the largest beside them");
  assert.equal(after.lost, 0);
  const late = await watch("?preferredLayer=low");
  await shows(late, SMALLEST, "the smallest, for who comes later");
}

/** Measures one time after the other until what is seen is as wanted. */
async function until(scene, bps, isWanted, what) {
  let slow;
  for (let tries = 0; tries < WINDOWS_MAX; tries++) {
    const { viewer, beside } = await scene.during(bps, WINDOW_MS);
    const fast = seen(beside);
    slow = seen(viewer);
    assert.deepEqual(fast.heights, [LARGEST], "the viewer beside it keeps the largest");
    assert.equal(fast.lost, 0, "the viewer beside it loses nothing");
    if (isWanted(slow)) return slow;
  }
  assert.fail(`${what}: ${JSON.stringify(slow)}`);
}

if (isInLab()) {
  test("a throttled viewer of spatial layers is shown a smaller one, and the largest again", async () => {
    const scene = await Scene.open({ codec: "VP9", scalabilityMode: "L3T3_KEY" });
    try {
      const isSmaller = one => one.heights.length === 1 && one.heights[0] < LARGEST && one.fps > 2;
      const slow = await until(scene, THROTTLED_BPS, isSmaller, "a smaller layer");
      const isLargest = one => one.heights.length === 1 && one.heights[0] === LARGEST;
      const all = await until(scene, undefined, isLargest, "the largest again");
      console.log(
        `throttled: ${slow.fps.toFixed(1)} pictures a second of ${slow.heights} lines, frozen for ` +
          `${slow.frozenS.toFixed(1)} s; then ${all.fps.toFixed(1)} of ${all.heights}`,
      );
    } finally {
      await scene.close();
    }
  });
} else {
  useScene("browser_svc", { closesPages: true });

  for (const [codec, mode] of [
    ["VP9", "L3T3_KEY"],
    ["VP9", "L3T3"],
  ]) {
    test(`${codec} ${mode}: each viewer is shown the layer that it wishes for`, () => wished(codec, mode));
  }

  test("in a network of namespaces", { skip: whyNoLab() }, async () => {
    await runInLab(["--test", SELF]);
  });
}
