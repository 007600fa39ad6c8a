/**
 * Spatial layers within one stream (SVC): a viewer is shown the layer that it wishes for or that its network carries, and the one
 * beside it the largest.
 */

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { openPage } from "../support/browser.js";
import { isInLab, runInLab, whyNoLab } from "../support/lab.js";
import { createRecordedStage, decodePlaylist, waitForRecording } from "../support/recording.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { Scene, seen } from "../support/throttled.js";
import { eventually, eventuallySeen } from "../support/wait.js";

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
/** How often a viewer may be looked at until no key frame is asked for. */
const LOOKS_MAX = 3;
/** The share of the samples with the largest layer that a viewer must have who is sent it. */
const MOST = 0.6;

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

/** Publishes in a stage. */
async function publish(stage, codec, scalabilityMode) {
  const { participantId, token } = await stages.token(stage, { userId: "ann" });
  const publisher = await openPage(browser, site, "wires.html");
  const wishes = { url: `${server.url}/whip`, token, codec, scalabilityMode };
  await publisher.evaluate(all => window.publish(all), wishes);
  await stages.waitFor(stage, participantId, "CONNECTED");
  return { participantId, publisher };
}

/** Publishes, and says how it is watched: in a replica, if that is wished. */
async function published(codec, scalabilityMode, isReplica) {
  const stage = await stages.create("svc");
  const { participantId } = await publish(stage, codec, scalabilityMode);
  let watched = stage;
  if (isReplica) {
    watched = await stages.create("svc-replica");
    await stages.replicate(stage, watched, participantId);
  }
  return async (query, takesDescriptors = true) => {
    const viewer = await stages.token(watched, { capabilities: ["SUBSCRIBE"] });
    const page = await openPage(browser, site, "wires.html");
    const url = `${server.url}/whep/${participantId}${query}`;
    await page.evaluate(all => window.watch(all), { url, token: viewer.token, takesDescriptors });
    return page;
  };
}

/**
 * Waits until a page shows pictures of this height, and decodes further ones without asking for a key frame. One may be asked for while
 * layers change, and where the machine has no processor for a while; pictures that cannot be decoded are asked for each time.
 */
async function decodes(page, height, what) {
  const asked = [];
  for (let tries = 0; tries < LOOKS_MAX; tries++) {
    const first = await shows(page, height, what);
    const last = await shows(page, height, `${what}, further`);
    if (last.plis === first.plis) return;
    asked.push(last.plis - first.plis);
  }
  assert.fail(`${what}: key frames were asked for each time: ${asked}`);
}

async function wished(codec, scalabilityMode, isReplica = false) {
  const watch = await published(codec, scalabilityMode, isReplica);
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
  await decodes(small, SMALLEST, "the smallest");
  await decodes(middle, MIDDLE, "the one in the middle");
  await decodes(large, LARGEST, "the largest");
}

/** Of two layers one viewer is shown the smaller, and so is who takes no descriptors. */
async function two(codec) {
  const watch = await published(codec, "L2T1", false);
  const [large, small] = [await watch(""), await watch(`?maxHeight=${MIDDLE}`)];
  await shows(large, LARGEST, "the larger");
  await decodes(small, MIDDLE, "the smaller");
  await large.close();
  await decodes(await watch("", false), MIDDLE, "the smaller, without descriptors");
}

/** Of one layer everybody is shown the pictures in full size. */
async function temporal(codec) {
  const watch = await published(codec, "L1T3", false);
  await decodes(await watch("?preferredLayer=low"), LARGEST, "the only one");
}

/** A recording of spatial layers has the largest, and FFmpeg decodes it without a remark. */
async function recorded(codec, scalabilityMode) {
  const stage = await createRecordedStage(stages, `svc-${codec.toLowerCase()}`);
  const { participantId, publisher } = await publish(stage, codec, scalabilityMode);
  await waitForRecording(stages, stage, participantId, "ACTIVE");
  const root = join(server.dataDir, "recordings");
  const find = async end => {
    const names = await readdir(root, { recursive: true }).catch(() => []);
    return names.find(name => name.includes("svc-") && name.endsWith(end));
  };
  await eventually(async () => (await find("/high/2.mp4")) !== undefined, "three segments", CLIMB_MS);
  await publisher.close();
  await waitForRecording(stages, stage, participantId, "STOPPED");
  const decoded = await decodePlaylist(join(root, await find("/hls/multivariant.m3u8")));
  assert.ok(decoded.pictures > FURTHER, `${decoded.pictures} pictures`);
  // Encoders of AV1 leave out the largest layer of single pictures where they lack time.
  assert.ok(decoded.heights.includes(LARGEST) && !decoded.heights.includes(SMALLEST), `${decoded.heights}`);
  assert.equal(decoded.said, "");
}

/** Of how many samples the picture is the largest, from 0 to 1. Encoders of AV1 leave out layers of single pictures where they lack time. */
const shareOfLargest = samples =>
  samples.filter(one => one.height === LARGEST).length / Math.max(1, samples.length);

/** The share of the publisher's samples in which it has encoded the largest layer, from 0 to 1. */
function shareEncoded(encoded, from) {
  const heights = encoded
    .filter(one => one.at >= from)
    .map(({ frames }) => Math.max(...Object.keys(frames).map(Number)));
  return heights.filter(height => height === LARGEST).length / Math.max(1, heights.length);
}

/**
 * Measures one time after the other until what is seen is as wanted. The viewer beside is to be shown what there is: on a busy machine the
 * publisher's encoder leaves the largest layer out for a while.
 */
async function until(scene, bps, isWanted, what) {
  let slow;
  for (let tries = 0; tries < WINDOWS_MAX; tries++) {
    const { from, viewer, beside, encoded } = await scene.during(bps, WINDOW_MS);
    const fast = seen(beside);
    const [shown, sent] = [shareOfLargest(beside), shareEncoded(encoded, from)];
    const shares = `in ${shown.toFixed(2)} of the samples; it was encoded in ${sent.toFixed(2)}`;
    slow = { ...seen(viewer), largest: shareOfLargest(viewer), sent };
    assert.ok(shown > MOST * sent, `the viewer beside it keeps the largest ${shares}: ${fast.heights}`);
    assert.equal(fast.lost, 0, "the viewer beside it loses nothing");
    if (isWanted(slow)) return slow;
  }
  assert.fail(`${what}: ${JSON.stringify(slow)}`);
}

if (isInLab()) {
  for (const [codec, scalabilityMode, isReplica] of [
    ["VP9", "L3T3_KEY", false],
    ["AV1", "L3T3", true],
  ])
    test(`a throttled viewer of ${codec} ${scalabilityMode} is shown a smaller layer, and the largest again`, async () => {
      const scene = await Scene.open({ codec, scalabilityMode, isReplica });
      try {
        const isSmaller = one => one.largest === 0 && one.fps > 2;
        const slow = await until(scene, THROTTLED_BPS, isSmaller, "a smaller layer");
        const isLargest = one => one.largest > MOST * one.sent;
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

  for (const [codec, mode, isReplica] of [
    ["VP9", "L3T3_KEY", false],
    ["VP9", "L3T3", false],
    ["AV1", "L3T3_KEY", false],
    ["AV1", "L3T3", true],
  ]) {
    const of = isReplica ? " of a replica" : "";
    test(`${codec} ${mode}: each viewer${of} is shown the layer that it wishes for`, () =>
      wished(codec, mode, isReplica));
  }

  test("AV1 L2T1: each viewer is shown what it can be shown", () => two("AV1"));
  test("AV1 L1T3: the picture stays as large as it is", () => temporal("AV1"));

  test("a recording of AV1 L3T3 has the largest layer", () => recorded("AV1", "L3T3"));

  test("in a network of namespaces", { skip: whyNoLab() }, async () => {
    await runInLab(["--test", SELF]);
  });
}
