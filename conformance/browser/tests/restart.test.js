/** js/client while its server restarts, planned or not: publisher and viewer reconnect by themselves. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { openPage } from "../support/browser.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { eventually } from "../support/wait.js";

useScene("browser_restart");

/** By itself a browser needs about ten seconds to notice a crash. js/client needs three, and one after a DTLS close. */
const BACK_MS = { crash: 8000, pause: 8000 };

for (const how of /** @type {const} */ (["crash", "pause"])) {
  test(`pages publish and watch again after a ${how} of the server`, async t => {
    const arn = await stages.create(how);
    const ann = await stages.token(arn, { userId: "ann" });
    const publisher = await openPage(browser, site, `peer.html#role=publish&token=${ann.token}`);
    await stages.waitFor(arn, ann.participantId, "CONNECTED");
    const { token } = await stages.token(arn, { capabilities: ["SUBSCRIBE"] });
    const wishes = `role=watch&url=${server.url}&participant=${ann.participantId}&token=${token}`;
    const viewer = await openPage(browser, site, `peer.html#${wishes}`);
    const framesOf = async () => (await viewer.evaluate("window.readState?.()"))?.frames ?? 0;
    await eventually(async () => (await framesOf()) > 20, "pictures");

    const endedAt = performance.now();
    await server[how]();
    const seen = await framesOf();
    await server.resume();
    // More frames than were on their way when the server ended.
    await eventually(async () => (await framesOf()) > seen + 10, "pictures again");
    const backMs = performance.now() - endedAt;
    t.diagnostic(`pictures again ${(backMs / 1000).toFixed(1)} s after the ${how}`);
    assert.ok(backMs < BACK_MS[how], `${backMs} ms`);
    for (const page of [viewer, publisher]) {
      const { state, error } = await page.evaluate("window.readState()");
      assert.deepEqual([state, error], ["live", undefined]);
      await page.close();
    }
  });
}
