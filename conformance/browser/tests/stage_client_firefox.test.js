/** The stage of js/client in Firefox: it sees Chromium, and is seen. */

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";

import { FIREFOX, launchFirefox } from "../../interop/clients/firefox.js";
import { endPublishers, makeClip, publishClip } from "../support/crowd.js";
import { site, stages, useScene } from "../support/scene.js";
import { StagePage } from "../support/stage_pages.js";
import { eventually } from "../support/wait.js";

/** How long a busy server may take until it has let everybody in. */
const CROWD_MS = 90_000;

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
  afterEach(endPublishers);

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

  for (const count of [4, 12]) {
    test(`Firefox among ${count} participants sees all the others by one connection`, async () => {
      const directory = mkdtempSync(join(tmpdir(), "restage-clip."));
      try {
        const clip = makeClip(directory);
        const arn = await stages.create(`firefox-${count}`);
        const others = [];
        for (let index = 1; index < count; index++)
          others.push(await publishClip(arn, `clip-${index}`, clip));
        const ann = await joinInFirefox(arn, "ann", "publish");
        for (const other of others) await ann.shows(other, undefined, CROWD_MS);
        for (const other of others) await ann.movesOn(other, CROWD_MS);
        // One to publish, and one to receive all the others; a third if a busy machine interrupted one of them.
        assert.ok((await ann.connections()) <= 3, "all are received over one connection");
        const gone = others.pop();
        gone?.end();
        await ann.shows(/** @type {any} */ (gone), []);
        for (const other of others) await ann.movesOn(other, CROWD_MS);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
}
