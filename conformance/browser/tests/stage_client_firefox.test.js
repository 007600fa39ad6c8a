/** The stage of js/client in Firefox: it sees Chromium, and is seen. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";

import { FIREFOX, launchFirefox } from "../../interop/clients/firefox.js";
import { site, stages, useScene } from "../support/scene.js";
import { StagePage } from "../support/stage_pages.js";
import { eventually } from "../support/wait.js";

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
  test("the stage in Firefox", { skip }, () => {});
} else {
  useScene("browser_stage_firefox", { closesPages: true });
  /** @type {import("puppeteer-core").Browser} */
  let firefox;
  before(async () => {
    firefox = await launchFirefox({ isLoopbackUsed: true });
  });
  after(() => firefox?.close());

  /** Opens the page in Firefox, and joins. @param {string} arn @param {string} userId @param {string} wishes */
  async function joinInFirefox(arn, userId, wishes) {
    const { token, participantId } = await stages.token(arn, { userId });
    const stagePage = Object.assign(new StagePage(), {
      id: participantId,
      token,
      page: await firefox.newPage(),
    });
    stagePage.page.on("pageerror", error => console.error(`page error: ${error}`));
    await stagePage.page.goto(`${site.origin}/stage.html#${wishes}&token=${token}`);
    await eventually(() => stagePage.page.evaluate("window.join !== undefined"), "the page is set up");
    await stagePage.page.evaluate("window.join()");
    return stagePage;
  }

  test("Firefox and Chromium see each other, pictures go and come by the strategy, and who leaves is gone", async () => {
    const arn = await stages.create("firefox");
    const ann = await joinInFirefox(arn, "ann", "publish");
    // Debian's Firefox decodes H.264 only with a plug-in that it downloads.
    const bob = await StagePage.join(arn, "bob", "publish&codec=VP8");
    await ann.shows(bob);
    await bob.shows(ann);
    await ann.change({ type: "AUDIO_ONLY" });
    await ann.shows(bob, ["audio"]);
    await ann.change({ type: "AUDIO_VIDEO" });
    await ann.shows(bob);
    const stats = await ann.page.evaluate(`window.stats("${bob.id}", "video")`);
    assert.ok(stats[0].packetsReceived > 0 && stats[0].framesDecoded > 0);
    await ann.leave();
    await bob.shows(ann, []);
  });
}
