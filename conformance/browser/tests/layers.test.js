/** A publisher's browser leaves out the layers that nobody wants; viewers of a replica want them, too. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { openPage, statsOf } from "../support/browser.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { eventually } from "../support/wait.js";

useScene("browser_layers", { closesPages: true });

/** A layer that is wished for is sent again within this. */
const BACK_MS = 3000;
/** A busy machine is given this many times as long. */
const PATIENCE = 5;
/** How long a busy machine may take to reach the best layer. */
const CLIMB_MS = 60_000;

/** Two stages, a participant that publishes in the first and is replicated into the second, and its page. */
async function scene(parameters) {
  const source = await stages.create("layers-source");
  const destination = await stages.create("layers-destination");
  const { participantId, token } = await stages.token(source, { userId: "ann" });
  const publisher = await openPage(
    browser,
    site,
    `peer.html#role=publish&codec=VP8&events=1&${parameters}&token=${token}`,
  );
  await stages.waitFor(source, participantId, "CONNECTED");
  await stages.replicate(source, destination, participantId);
  return { source, destination, participantId, publisher };
}

async function watcherPage(stageArn, participantId, wish = "") {
  const { token } = await stages.token(stageArn, { capabilities: ["SUBSCRIBE"] });
  const parameters = `role=watch&url=${server.url}&participant=${participantId}${wish}&events=1&token=${token}`;
  const page = await openPage(browser, site, `peer.html#${parameters}`);
  await eventually(() => page.evaluate("window.readStats !== undefined"), "the page is set up");
  return page;
}

const wish = (page, payload) => page.evaluate(`window.wish(${JSON.stringify(payload)})`);
const layersOf = page => page.evaluate("window.readLayers()");
const heardBy = page => page.evaluate("window.heard");
const showsHeight = (page, height) => async () => (await statsOf(page))?.height === height;

test("a layer that nobody watches is not sent, and comes back when a replica's viewer wishes for it", async () => {
  const { source, destination, participantId, publisher } = await scene("simulcast=1");
  const near = await watcherPage(source, participantId);
  const far = await watcherPage(destination, participantId);
  await eventually(showsHeight(near, 540), "the best layer in the source stage", CLIMB_MS);
  await eventually(showsHeight(far, 540), "the best layer in the destination stage", CLIMB_MS);
  assert.equal((await layersOf(publisher)).hi.isActive, true);

  for (const page of [near, far]) await wish(page, { remoteParticipantId: participantId, maxHeight: 135 });
  for (const page of [near, far]) await eventually(showsHeight(page, 135), "the smallest layer", CLIMB_MS);
  await eventually(
    async () => {
      const { mid, hi } = await layersOf(publisher);
      return !mid.isActive && !hi.isActive;
    },
    "the others are not sent",
    20_000,
  );
  const before = await layersOf(publisher);
  await eventually(
    async () => (await layersOf(publisher)).low.frames >= before.low.frames + 20,
    "time passes",
  );
  const after = await layersOf(publisher);
  assert.deepEqual([after.mid.frames, after.hi.frames], [before.mid.frames, before.hi.frames]);

  const took = await far.evaluate(() => performance.now());
  await wish(far, { remoteParticipantId: participantId, maxHeight: null });
  await eventually(
    async () => (await layersOf(publisher)).hi.frames > after.hi.frames,
    "the best layer is sent again",
  );
  const ms = (await far.evaluate(() => performance.now())) - took;
  console.log(`the best layer is sent again after ${Math.round(ms)} ms`);
  assert.ok(ms <= BACK_MS * PATIENCE, `${ms} ms`);
  await eventually(showsHeight(far, 540), "the best layer is shown again", CLIMB_MS);
  await eventually(showsHeight(near, 135), "the other viewer is shown what it wished");
});

test("who speaks, who is muted, and statistics are told in both stages", async () => {
  const { source, destination, participantId, publisher } = await scene("");
  // Chromium's fake microphone beeps: that is speech with pauses.
  for (const stage of [source, destination]) {
    const page = await watcherPage(stage, participantId);
    await eventually(
      async () => (await heardBy(page)).speakers.includes(participantId),
      "who speaks",
      CLIMB_MS,
    );
    await page.evaluate("window.askForStats(1000)");
    const { connections } = await eventually(async () => (await heardBy(page)).stats.at(-1), "statistics");
    assert.equal(connections.length, 1);
    const [{ remoteParticipantId, direction, transport, tracks }] = connections;
    assert.deepEqual([remoteParticipantId, direction, transport], [participantId, "subscribe", "udp"]);
    assert.deepEqual(
      tracks.map(({ kind }) => kind),
      ["audio", "video"],
    );
    assert.ok(tracks.every(({ packets, codec }) => packets > 0 && codec));

    await publisher.evaluate('window.setMuted("audio", true)');
    const muted = async () => (await heardBy(page)).mutes.at(-1);
    const told = await eventually(async () => (await muted())?.isMuted && muted(), "it is muted");
    assert.deepEqual([told.kind, told.remoteParticipantId], ["audio", participantId]);
    await eventually(
      async () => (await page.evaluate("window.readMembers()"))[0]?.audioMuted,
      "newcomers learn it",
    );
    await eventually(async () => (await heardBy(page)).speakers.at(-1) === "", "nobody speaks");
    await publisher.evaluate('window.setMuted("audio", false)');
    await eventually(async () => (await muted()).isMuted === false, "it is not muted any more");
  }
});
