/** A browser publishes camera and microphone on another origin; a replica of it plays in another stage. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { launch, openPage, statsOf } from "../support/browser.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { eventually, eventuallySeen } from "../support/wait.js";

useScene("browser_replication", { closesPages: true });

/** A stopped replica's picture must end within this. */
const STOP_MS = 1000;
/** The highest rate at which libwebrtc sends before it has feedback about arrived packets. */
const FIRST_GUESS_BITS_PER_S = 300_000;

/** Two stages, and a participant that may publish in the first. */
async function scene() {
  const source = await stages.create("source");
  const destination = await stages.create("destination");
  const { participantId, token } = await stages.token(source, { userId: "ann" });
  return { source, destination, participantId, token };
}

const publisherPage = (token, codec = "H264") =>
  openPage(browser, site, `peer.html#role=publish&codec=${codec}&token=${token}`);

async function watcherPage(stageArn, participantId) {
  const { token } = await stages.token(stageArn, { capabilities: ["SUBSCRIBE"] });
  const wishes = `role=watch&url=${server.url}&participant=${participantId}&token=${token}`;
  return openPage(browser, site, `peer.html#${wishes}`);
}

const stateOf = page => page.evaluate("window.readState?.()");

/** Waits until the page decodes further pictures and audible sound. */
async function assertPlays(page, what, timeoutMs = 30_000) {
  await eventually(() => page.evaluate("window.readStats !== undefined"), `${what}: the page is set up`);
  const first = await eventually(() => statsOf(page), `${what}: a connection`, timeoutMs);
  return eventually(
    async () => {
      const now = await statsOf(page);
      const moves = now && now.frames >= first.frames + 10 && now.width > 0;
      return moves && now.audioEnergy > first.audioEnergy ? now : undefined;
    },
    `${what}: frames advance and there is sound`,
    timeoutMs,
  );
}

for (const codec of ["H264", "VP8"]) {
  test(`picture and sound in both stages, ${codec}`, async () => {
    const { source, destination, participantId, token } = await scene();
    const publisher = await publisherPage(token, codec);
    await stages.waitFor(source, participantId, "CONNECTED");
    await stages.replicate(source, destination, participantId);
    const near = await watcherPage(source, participantId);
    const far = await watcherPage(destination, participantId);
    for (const [page, what] of [
      [near, "source"],
      [far, "destination"],
    ]) {
      const stats = await assertPlays(page, what);
      assert.equal(stats.videoCodec, codec);
      assert.equal(stats.width * 9, stats.height * 16);
      assert.match(stats.srtpCipher, /GCM/, "SRTP is AES-GCM towards a subscriber");
    }
    const sent = await statsOf(publisher);
    assert.match(sent.srtpCipher, /GCM/, "SRTP is AES-GCM towards a publisher");
    const kinds = (await stages.participants(destination)).map(item => item.replicationType);
    assert.ok(kinds.includes("REPLICA"));
  });
}

test("the publisher's browser hears what arrived, and finds out what it may send", async () => {
  const { source, participantId, token } = await scene();
  const publisher = await publisherPage(token);
  await stages.waitFor(source, participantId, "CONNECTED");
  // libwebrtc exceeds its first guess only through feedback about arrival times. How far depends on the load of the
  // machine, and an estimate may fall again: it is enough that it was above once.
  let best = 0;
  const feedback = await eventuallySeen(
    () => publisher.evaluate("window.readFeedback?.()"),
    seen => {
      best = Math.max(best, seen?.availableBitrate ?? 0);
      const isReported = kind => seen?.roundTrips[kind] > 1;
      return isReported("audio") && isReported("video") && best > FIRST_GUESS_BITS_PER_S;
    },
    "reports on both streams and a bitrate above the first guess",
    60_000,
  );
  assert.deepEqual(feedback.lost, { audio: 0, video: 0 });
});

test("stop replication: the picture ends there within a second, and only there", async () => {
  const { source, destination, participantId, token } = await scene();
  await publisherPage(token);
  await stages.waitFor(source, participantId, "CONNECTED");
  await stages.replicate(source, destination, participantId);
  const near = await watcherPage(source, participantId);
  const far = await watcherPage(destination, participantId);
  await assertPlays(near, "source");
  await assertPlays(far, "destination");
  const { now: before } = await stateOf(far);
  const askedAt = performance.now();
  await stages.stop(source, destination, participantId);
  const callMs = performance.now() - askedAt;
  const still = await eventually(async () => {
    const state = await stateOf(far);
    return state.now - state.lastFrameAt > 2 * STOP_MS ? state : undefined;
  }, "the picture in the destination stands still");
  // `before` was read before the call, so this interval contains both ends of the call.
  const lastAfterMs = still.lastFrameAt - before;
  assert.ok(lastAfterMs <= callMs + STOP_MS, `the last picture came ${lastAfterMs} ms after the call began`);
  assert.deepEqual(await stages.replicaStates(source, participantId), ["STOPPED"]);
  await assertPlays(near, "source goes on");
});

test("the publisher reloads its page inside the window: the destination resumes unaided", async () => {
  const { source, destination, participantId, token } = await scene();
  const publisher = await publisherPage(token);
  await stages.waitFor(source, participantId, "CONNECTED");
  await stages.replicate(source, destination, participantId, { reconnectWindowSeconds: 60 });
  const far = await watcherPage(destination, participantId);
  await assertPlays(far, "destination");
  for (let round = 0; round < 2; round += 1) {
    await publisher.reload();
    await assertPlays(publisher, "publisher after the reload");
    await assertPlays(far, "destination after the reload");
    assert.deepEqual(await stages.replicaStates(source, participantId), ["ACTIVE"]);
  }
});

test("a tab that is killed is DISCONNECTED within ten seconds", async () => {
  const { source, participantId, token } = await scene();
  const doomed = await launch();
  const page = await openPage(doomed, site, `peer.html#role=publish&token=${token}`);
  await stages.waitFor(source, participantId, "CONNECTED");
  // Unlike closing the page, a crash of the renderer sends no farewell.
  await Promise.race([
    page.goto("chrome://crash").catch(() => {}),
    eventually(() => page.isClosed(), "the tab is gone").catch(() => {}),
  ]);
  const killedAt = performance.now();
  await stages.waitFor(source, participantId, "DISCONNECTED");
  assert.ok(performance.now() - killedAt < 10_000);
  await doomed.close();
});

test("a viewer who came first sees the publisher when it comes", async () => {
  const { source, participantId, token } = await scene();
  const viewer = await watcherPage(source, participantId);
  await eventually(async () => (await stateOf(viewer))?.state === "waiting", "the viewer waits");
  await publisherPage(token);
  await assertPlays(viewer, "viewer");
});

test("a token without the capability says so in the page", async () => {
  const { source } = await scene();
  const { token } = await stages.token(source, { capabilities: ["SUBSCRIBE"] });
  const page = await publisherPage(token);
  const state = await eventually(async () => {
    const now = await stateOf(page);
    return now?.state === "failed" ? now : undefined;
  }, "failed");
  assert.match(state.error, /PUBLISH/);
});
