/** Codecs that are passed through where both browsers have them, and redundant audio. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { openPage, statsOf } from "../support/browser.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { eventually } from "../support/wait.js";

useScene("browser_codecs", { closesPages: true });

const PLAY_MS = 30_000;

/** A stage with a publishing page, and a stage that shows a replica of it. */
async function scene(wishes) {
  const source = await stages.create("source");
  const destination = await stages.create("destination");
  const { participantId, token } = await stages.token(source, { userId: "ann" });
  const publisher = await openPage(browser, site, `peer.html#role=publish&token=${token}&${wishes}`);
  await stages.waitFor(source, participantId, "CONNECTED");
  await stages.replicate(source, destination, participantId);
  return { source, destination, participantId, publisher };
}

async function watcherPage(stageArn, participantId, only) {
  const { token } = await stages.token(stageArn, { capabilities: ["SUBSCRIBE"] });
  const wishes = `role=watch&url=${server.url}&participant=${participantId}&token=${token}&only=${only}`;
  return openPage(browser, site, `peer.html#${wishes}`);
}

/** Waits until the page decodes further pictures and audible sound. */
async function assertPlays(page, what) {
  await eventually(() => page.evaluate("window.readStats !== undefined"), `${what}: the page is set up`);
  const first = await eventually(() => statsOf(page), `${what}: a connection`, PLAY_MS);
  return eventually(
    async () => {
      const now = await statsOf(page);
      const moves = now && now.frames >= first.frames + 10 && now.width > 0;
      return moves && now.audioEnergy > first.audioEnergy ? now : undefined;
    },
    `${what}: frames advance and there is sound`,
    PLAY_MS,
  );
}

for (const codec of ["VP9", "AV1"]) {
  test(`${codec} plays in both stages, also for who comes later; who has only H.264 hears and is told`, async () => {
    const { source, destination, participantId } = await scene(`codec=${codec}`);
    const near = await watcherPage(source, participantId, "");
    const far = await watcherPage(destination, participantId, "");
    const hearing = await watcherPage(source, participantId, "H264,rtx,opus");
    for (const [page, what] of [
      [near, "source"],
      [far, "destination"],
      [await watcherPage(source, participantId, `${codec},rtx,opus`), "later"],
    ]) {
      const stats = await assertPlays(page, what);
      assert.equal(stats.videoCodec, codec);
      assert.equal(stats.width * 9, stats.height * 16);
    }
    const silent = await eventually(async () => {
      const stats = await statsOf(hearing);
      return stats?.bitsPerSecond > 10_000 ? stats : undefined;
    }, "who has only H.264 is sent sound");
    assert.equal(silent.frames, 0);
  });

  test(`who could see nothing of ${codec} is refused with CODEC_MISMATCH`, async () => {
    const { source, participantId } = await scene(`codec=${codec}`);
    const { token } = await stages.token(source, { capabilities: ["SUBSCRIBE"] });
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${site.origin}/peer.html`);
    const answer = await page.evaluate(
      async ([url, bearer]) => {
        const connection = new RTCPeerConnection();
        const video = connection.addTransceiver("video", { direction: "recvonly" });
        const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
        video.setCodecPreferences(codecs.filter(codec => codec.mimeType === "video/H264"));
        const { sdp } = await connection.createOffer();
        const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${bearer}` };
        const response = await fetch(url, { method: "POST", headers, body: sdp });
        return { status: response.status, body: await response.text() };
      },
      [`${server.url}/whep/${participantId}`, token],
    );
    assert.equal(answer.status, 422, answer.body);
    const { code, message } = JSON.parse(answer.body);
    assert.equal(code, "CODEC_MISMATCH");
    assert.match(message, new RegExp(`the publisher sends ${codec}`));
  });
}

test("redundant audio reaches who has it as it was sent, and who has not as plain sound", async () => {
  const { source, participantId } = await scene("codec=VP8&redundant");
  const both = await watcherPage(source, participantId, "");
  const plain = await watcherPage(source, participantId, "VP8,rtx,opus");
  await assertPlays(both, "with redundancy");
  await assertPlays(plain, "without");
  const repeated = page => eventually(() => page.evaluate("window.readRepeated()"), "some seconds of sound");
  assert.ok((await repeated(both)).share > 0.5, "earlier sound comes again");
  assert.ok((await repeated(plain)).share < 0.2);
});
