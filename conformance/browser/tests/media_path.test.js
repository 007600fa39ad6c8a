/**
 * js/client with a server that is reached over HTTP but not over UDP: publisher and viewer get the reason, including
 * what the server saw.
 */

import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";

import { openPage } from "../support/browser.js";
import { Detour } from "../support/detour.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { eventually } from "../support/wait.js";

/** @type {Detour} */
let detour;

useScene("browser_media_path", {
  closesPages: true,
  prepare: async () => {
    detour = await Detour.open(server);
  },
});

after(async () => {
  await detour?.close();
});

afterEach(async () => {
  detour.isOn = true;
});

/** The page's state once it is this. */
const become = (page, wanted, timeoutMs) =>
  eventually(
    async () => {
      const state = await page.evaluate("window.readState?.()");
      return state?.state === wanted ? state : undefined;
    },
    `the page is ${wanted}`,
    timeoutMs,
  );

function assertNamesThePort(state) {
  assert.equal(state.code, "NO_MEDIA_PATH");
  const sentence = `no media path: UDP port ${detour.deadPort} of 127.0.0.1 is not reachable from here`;
  assert.ok(state.error.startsWith(sentence), state.error);
  assert.deepEqual(state.told, ["NO_MEDIA_PATH"]);
}

test("a publisher is told after its first attempt, and is live as soon as there is a path", async () => {
  const arn = await stages.create("walled-in");
  const { participantId, token } = await stages.token(arn, { userId: "ann" });
  const whip = `${detour.url}/whip`;
  const page = await openPage(browser, site, `peer.html#role=publish&whip=${whip}&token=${token}`);
  assertNamesThePort(await become(page, "unreachable"));
  detour.isOn = false;
  const { error } = await become(page, "live");
  assert.equal(error, undefined);
  await stages.waitFor(arn, participantId, "CONNECTED");
});

test("a viewer is told after its first attempt, and is live as soon as there is a path", async () => {
  const arn = await stages.create("walled-out");
  const ann = await stages.token(arn, { userId: "ann" });
  await openPage(browser, site, `peer.html#role=publish&token=${ann.token}`);
  await stages.waitFor(arn, ann.participantId, "CONNECTED");
  const { token } = await stages.token(arn, { capabilities: ["SUBSCRIBE"] });
  const wishes = `role=watch&url=${detour.url}&participant=${ann.participantId}&token=${token}`;
  const page = await openPage(browser, site, `peer.html#${wishes}`);
  assertNamesThePort(await become(page, "unreachable"));
  detour.isOn = false;
  await become(page, "live");
});

test("a server that stops is left at its farewell, not after seconds of silence", async () => {
  const arn = await stages.create("farewell");
  const { token } = await stages.token(arn, { userId: "ann" });
  const page = await openPage(browser, site, `peer.html#role=publish&token=${token}`);
  await become(page, "live");
  const stoppedAt = performance.now();
  await server.pause();
  const told = await eventually(async () => {
    const { code } = await page.evaluate("window.readState()");
    return code;
  }, "the page is told");
  assert.equal(told, "TIMEOUT");
  assert.equal((await page.evaluate("window.readState()")).state, "reconnecting");
  // ICE alone needs about ten seconds to notice; a more precise bound would be unreliable.
  assert.ok(performance.now() - stoppedAt < 6000);
  await server.resume();
  await become(page, "live");
});
