/** Firefox publishes three layers of VP8; a Chromium and a Firefox viewer are each shown the layer that they wish for. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";

import { FIREFOX, launchFirefox } from "../../interop/clients/firefox.js";
import { openPage, statsOf } from "../support/browser.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { eventually, eventuallySeen } from "../support/wait.js";

/** How long a busy machine may take to reach a layer. */
const CLIMB_MS = 60_000;

/** Why there is no Firefox, or nothing; says so, and fails in CI, where nothing is skipped. */
function whyNoFirefox() {
  if (existsSync(FIREFOX)) return undefined;
  const lacking = `there is no ${FIREFOX} (Debian package firefox-esr)`;
  console.log(`skipped: Firefox: ${lacking}`);
  assert.ok(!process.env.CI, `CI has all that this needs, but ${lacking}`);
  return lacking;
}

const skip = whyNoFirefox();

if (skip) {
  test("Firefox and simulcast", { skip }, () => {});
} else {
  useScene("browser_firefox");
  /** @type {import("puppeteer-core").Browser} */
  let firefox;
  before(async () => {
    firefox = await launchFirefox({ isLoopbackUsed: true });
  });
  after(() => firefox?.close());

  /** A page of the site in Firefox. @param {string} path */
  async function openInFirefox(path) {
    const page = await firefox.newPage();
    page.on("pageerror", error => console.error(`page error: ${error}`));
    await page.goto(`${site.origin}/${path}`);
    return page;
  }

  /** @param {(path: string) => Promise<any>} open @param {string} stageArn @param {string} participantId */
  async function watch(open, stageArn, participantId) {
    const { token } = await stages.token(stageArn, { capabilities: ["SUBSCRIBE"] });
    const parameters = `role=watch&url=${server.url}&participant=${participantId}&events=1&token=${token}`;
    const page = await open(`peer.html#${parameters}`);
    await eventually(() => page.evaluate("window.readStats !== undefined"), "the page is set up");
    return page;
  }

  test("layers of Firefox reach a Chromium and a Firefox viewer, each as it wishes", async () => {
    const stage = await stages.create("firefox");
    const { participantId, token } = await stages.token(stage, { userId: "ann" });
    const path = `peer.html#role=publish&codec=VP8&simulcast=1&events=1&token=${token}`;
    const publisher = await openInFirefox(path);
    await stages.waitFor(stage, participantId, "CONNECTED");
    await eventually(() => publisher.evaluate("window.readLayers !== undefined"), "the page is set up");
    const layersOf = () => publisher.evaluate("window.readLayers()");
    const areSent = layers =>
      ["low", "mid", "hi"].every(rid => layers[rid]?.frames > 0 && layers[rid].height > 0);
    const { low, mid, hi } = await eventuallySeen(layersOf, areSent, "three layers are sent", CLIMB_MS);
    const heights = [low, mid, hi].map(({ height }) => height);
    assert.ok(low.height < mid.height && mid.height < hi.height, `${heights}`);

    const viewers = {
      chromium: await watch(path => openPage(browser, site, path), stage, participantId),
      firefox: await watch(openInFirefox, stage, participantId),
    };
    const shows = async (/** @type {keyof typeof viewers} */ name, /** @type {number} */ height) => {
      const page = viewers[name];
      const stats = await eventuallySeen(
        () => statsOf(page),
        now => now?.height === height && now.videoCodec === "VP8",
        `${height} lines in ${name}`,
        CLIMB_MS,
      );
      await eventuallySeen(
        () => statsOf(page),
        now => now?.frames >= stats.frames + 10,
        `the picture goes on in ${name}`,
        CLIMB_MS,
      );
    };
    const wish = (/** @type {any} */ page, /** @type {string} */ preferredLayer) =>
      page.evaluate(`window.wish(${JSON.stringify({ remoteParticipantId: participantId, preferredLayer })})`);
    for (const [chromium, other] of [
      ["low", "hi"],
      ["hi", "mid"],
      ["mid", "low"],
    ]) {
      await wish(viewers.chromium, chromium);
      await wish(viewers.firefox, other);
      const height = { low: low.height, mid: mid.height, hi: hi.height };
      await shows("chromium", height[chromium]);
      await shows("firefox", height[other]);
      // Each goes on being shown its own.
      await shows("chromium", height[chromium]);
    }
    for (const page of [publisher, ...Object.values(viewers)]) await page.evaluate("window.leave()");
  });
}
