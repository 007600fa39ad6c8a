/** The stage of js/client in Chromium: who is seen, what changes by the strategy, what is muted, and what is left. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { server, stages, useScene } from "../support/scene.js";
import { StagePage } from "../support/stage_pages.js";
import { eventually } from "../support/wait.js";

useScene("browser_stage_client", { closesPages: true });

test("two participants see and hear each other, and one who leaves is gone with all streams", async () => {
  const arn = await stages.create("two");
  const ann = await StagePage.join(arn, "ann", "publish");
  const bob = await StagePage.join(arn, "bob", "publish");
  await ann.shows(bob);
  await bob.shows(ann);
  await bob.leave();
  await ann.shows(bob, []);
  assert.deepEqual(await ann.events("stageParticipantLeft"), [["stageParticipantLeft", bob.id, undefined]]);
  const { live } = await ann.read();
  assert.equal(live, 2, "only the own tracks live");
  await stages.waitFor(arn, bob.id, "DISCONNECTED");
  await bob.page.evaluate("window.join()");
  await ann.shows(bob);
  await bob.shows(ann);
});

test("the strategy decides what is received and published, and a refresh without a change does nothing", async () => {
  const arn = await stages.create("strategy");
  const ann = await StagePage.join(arn, "ann", "publish");
  const bob = await StagePage.join(arn, "bob", "type=NONE");
  await eventually(async () => (await bob.events("stageParticipantJoined")).length === 2, "ann is there");
  assert.deepEqual(await bob.streamsOf(ann), []);
  await bob.change({ type: "AUDIO_VIDEO" });
  await bob.shows(ann);
  const { happened } = await bob.read();
  for (let times = 0; times < 20; times++) await bob.change({});
  await bob.movesOn(ann);
  assert.equal((await bob.read()).happened.length, happened.length);
  await bob.change({ type: "AUDIO_ONLY" });
  await bob.shows(ann, ["audio"]);
  await bob.change({ types: { [ann.id]: "AUDIO_VIDEO" } });
  await bob.shows(ann);
  await ann.change({ publishes: false });
  await bob.shows(ann, []);
  assert.deepEqual(
    (await ann.events("stageParticipantPublishStateChanged")).map(([, , state]) => state),
    ["attempting_publish", "published", "not_published"],
  );
  await ann.change({ publishes: true });
  await bob.shows(ann);
});

test("a mute is silent at once, is told to others with its stream, and is undone", async () => {
  const arn = await stages.create("mute");
  const ann = await StagePage.join(arn, "ann", "publish");
  const bob = await StagePage.join(arn, "bob", "");
  await bob.shows(ann);
  const mute = isMuted =>
    ann.page.evaluate(`window.wish.streams.forEach(stream => stream.setMuted(${isMuted}))`);
  const mutedOf = async () => `${((await bob.read()).muted[ann.id] ?? []).sort()}`;
  await mute(true);
  await eventually(async () => (await mutedOf()) === "audio,video", "both are muted");
  await mute(false);
  await eventually(async () => (await mutedOf()) === "", "neither is muted");
  const told = (await bob.events("stageStreamMuteChanged")).map(([, id, kind]) => [id, kind]);
  assert.ok(told.some(([id, kind]) => id === ann.id && kind === "audio"));
  assert.ok(told.some(([id, kind]) => id === ann.id && kind === "video"));
});

test("another camera replaces the former one without another publication", async () => {
  const arn = await stages.create("camera");
  const ann = await StagePage.join(arn, "ann", "publish");
  const bob = await StagePage.join(arn, "bob", "");
  await bob.shows(ann);
  await ann.page.evaluate("window.openDevices().then(() => window.change({}))");
  await eventually(
    async () => (await ann.events("stageParticipantStreamsAdded")).length === 2,
    "the new streams are told",
  );
  await bob.movesOn(ann);
  assert.deepEqual(await bob.events("stageParticipantStreamsRemoved"), []);
  assert.equal((await ann.events("stageParticipantPublishStateChanged")).length, 2);
});

test("a second page with the token takes the place, and the first one leaves and does not fight", async () => {
  const arn = await stages.create("same-token");
  const token = await stages.token(arn, { userId: "ann" });
  const first = await StagePage.join(arn, "ann", "publish", { token });
  await eventually(
    async () => (await first.events("stageParticipantStreamsAdded")).length === 1,
    "it publishes",
  );
  const second = await StagePage.join(arn, "ann", "publish", { token });
  await eventually(async () => (await first.events("stageLeft")).length === 1, "the first page has left");
  assert.deepEqual((await first.events("stageLeft"))[0][1], "token-reused");
  const bob = await StagePage.join(arn, "bob", "");
  await bob.shows(second);
  assert.deepEqual(await second.events("stageLeft"), []);
});

test("a replica arrives as any participant does, and says that it is one", async () => {
  const source = await stages.create("source");
  const destination = await stages.create("destination");
  const ann = await StagePage.join(source, "ann", "publish");
  await eventually(
    async () => (await ann.events("stageParticipantStreamsAdded")).length === 1,
    "it publishes",
  );
  const viewer = await StagePage.join(destination, "viewer", "");
  await stages.replicate(source, destination, ann.id);
  await viewer.shows(ann);
  const { isReplica, sourceStageArn } = await viewer.page.evaluate(`window.infoOf("${ann.id}")`);
  assert.deepEqual([isReplica, sourceStageArn], [true, source]);
  await ann.leave();
  await viewer.shows(ann, []);
});

test("statistics have the form of the service's, for what is sent and received", async () => {
  const arn = await stages.create("statistics");
  const ann = await StagePage.join(arn, "ann", "publish");
  const bob = await StagePage.join(arn, "bob", "");
  await bob.shows(ann);
  const sent = await ann.page.evaluate(`window.stats("${ann.id}", "video")`);
  const received = await bob.page.evaluate(`window.stats("${ann.id}", "video")`);
  const heard = await bob.page.evaluate(`window.stats("${ann.id}", "audio")`);
  assert.ok(sent[0].packetsSent > 0 && sent[0].framesEncoded > 0);
  assert.deepEqual([sent[0].frameHeight, received[0].frameHeight], [180, 180]);
  assert.ok(received[0].framesDecoded > 0 && heard[0].packetsReceived > 0);
  assert.ok([0, 1, 2, 3, 4].includes(received[0].networkQuality));
});

test("messages in the pictures arrive with their uuid, as often as they are repeated", async () => {
  const arn = await stages.create("messages");
  const ann = await StagePage.join(arn, "ann", "publish&inBand");
  const bob = await StagePage.join(arn, "bob", "inBand");
  await bob.shows(ann);
  await ann.page.evaluate('window.insert("a word", 2)');
  await eventually(async () => (await bob.read()).messages.length === 3, "three times");
  const { messages } = await bob.read();
  assert.deepEqual(
    messages.map(({ id, text }) => [id, text]),
    Array(3).fill([ann.id, "a word"]),
  );
  assert.equal(new Set(messages.map(({ uuid }) => uuid)).size, 1);
  await assert.rejects(ann.page.evaluate('window.insert("x".repeat(1024), 0)'), /1 to 1023 bytes/);
  await assert.rejects(ann.page.evaluate('window.insert("x", 31)'), /0 to 30/);
  await bob.movesOn(ann);
});

for (const how of /** @type {const} */ (["crash", "pause"])) {
  test(`all is back after a ${how} of the server, without a word of the application`, async t => {
    const arn = await stages.create(how);
    const ann = await StagePage.join(arn, "ann", "publish");
    const bob = await StagePage.join(arn, "bob", "publish");
    await ann.shows(bob);
    await bob.shows(ann);
    const endedAt = performance.now();
    await server[how]();
    const seen = await bob.framesOf(ann);
    await server.resume();
    await eventually(async () => (await bob.framesOf(ann)) > seen + 10, "pictures again", 30_000);
    t.diagnostic(`pictures again ${((performance.now() - endedAt) / 1000).toFixed(1)} s after the ${how}`);
    await ann.movesOn(bob);
    for (const page of [ann, bob]) {
      assert.deepEqual(await page.events("stageLeft"), []);
      assert.equal((await page.events("stageConnectionStateChanged")).at(-1)[1], "connected");
    }
  });
}
