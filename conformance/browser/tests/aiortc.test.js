/** A browser watches a publisher outside a browser: aiortc. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ForeignPublisher } from "../support/aiortc.js";
import { openPage, statsOf } from "../support/browser.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { eventually } from "../support/wait.js";

useScene("browser_aiortc");

for (const [codec, identity] of [
  ["VP8", 0xa5],
  ["H264", 0x5a],
]) {
  test(`a replica of an aiortc publisher plays in Chromium, ${codec}`, async () => {
    const source = await stages.create("source");
    const destination = await stages.create("destination");
    const { participantId, token } = await stages.token(source);
    const publisher = await ForeignPublisher.start(token, identity, codec);
    await stages.waitFor(source, participantId, "CONNECTED");
    await stages.replicate(source, destination, participantId);
    const viewer = await stages.token(destination, { capabilities: ["SUBSCRIBE"] });
    const wishes = `role=watch&url=${server.url}&participant=${participantId}&token=${viewer.token}`;
    const page = await openPage(browser, site, `peer.html#${wishes}`);
    await eventually(async () => {
      const stats = await page.evaluate("window.readStats?.()");
      return stats?.frames > 15 && stats.audioEnergy > 0 && stats.width === 320;
    }, "picture and sound");
    await eventually(
      async () => (await page.evaluate("window.readIdentity()")) === identity,
      "the picture is this publisher's",
    );
    assert.equal((await statsOf(page)).videoCodec, codec);
    await publisher.stop();
    await page.close();
  });
}
