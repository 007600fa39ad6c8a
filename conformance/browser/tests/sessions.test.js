/** What the sessions of js/client promise their page: a mute holds whatever happens, and of two with one token the newer one stays. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { openPage, statsOf } from "../support/browser.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { eventually, eventuallySeen } from "../support/wait.js";

useScene("browser_sessions", { closesPages: true });

/** Pictures that a viewer is shown while it is listened for a sound: two seconds of them. */
const LISTENED_FRAMES = 40;
/** Energy of sound that a decoder makes of silence; a second of the fake microphone has a hundred times as much. */
const SILENT_ENERGY = 1e-5;

const stateOf = page => page.evaluate("window.readState?.()");
const setUp = async page => {
  await eventually(() => page.evaluate("window.readState !== undefined"), "the page is set up");
  return page;
};
const openPeer = async parameters => setUp(await openPage(browser, site, `peer.html#${parameters}`));
const becomes = (page, wanted) =>
  eventuallySeen(
    () => stateOf(page),
    now => now?.state === wanted,
    wanted,
    30_000,
  );

async function watcherPage(stageArn, participantId, token) {
  const own = token ?? (await stages.token(stageArn, { capabilities: ["SUBSCRIBE"] })).token;
  return openPeer(`role=watch&url=${server.url}&participant=${participantId}&events=1&token=${own}`);
}

/** The energy of the sound that a viewer decodes while it is shown further pictures. */
async function energyOf(page) {
  const first = await eventually(() => statsOf(page), "a connection");
  const last = await eventuallySeen(
    () => statsOf(page),
    now => now?.frames >= first.frames + LISTENED_FRAMES,
    "pictures",
    30_000,
  );
  return last.audioEnergy - first.audioEnergy;
}

test("what is muted while the server is away is silent and black afterwards, and is told", async () => {
  const arn = await stages.create("sessions");
  const { participantId, token } = await stages.token(arn, { userId: "ann" });
  const publisher = await openPeer(`role=publish&events=1&token=${token}`);
  await stages.waitFor(arn, participantId, "CONNECTED");
  const viewer = await watcherPage(arn, participantId);
  assert.ok((await energyOf(viewer)) > 100 * SILENT_ENERGY, "there is a sound at first");

  await server.crash();
  await becomes(publisher, "reconnecting");
  const enabled = await publisher.evaluate(() => {
    window.setMuted("audio", true);
    window.setMuted("video", true);
    return window.readEnabled();
  });
  assert.deepEqual(enabled, [false, false]);
  await server.resume();
  await becomes(publisher, "live");
  await eventuallySeen(
    () => viewer.evaluate("window.readMembers()"),
    members => members.some(member => member.audioMuted && member.videoStopped),
    "the viewer is told",
  );
  await becomes(viewer, "live");
  assert.ok((await energyOf(viewer)) < SILENT_ENERGY, "there is no sound");
  assert.equal(await viewer.evaluate("window.readIdentity()"), 0, "the picture is black");

  await publisher.evaluate("window.setMuted('audio', false)");
  await eventually(async () => (await energyOf(viewer)) > 100 * SILENT_ENERGY, "the sound is back");
  assert.deepEqual(await publisher.evaluate("window.leave().then(window.readEnabled)"), [true, true]);
});

test("of two pages that publish with one token the newer one goes on, and the older one ends", async () => {
  const arn = await stages.create("sessions-publish");
  const { participantId, token } = await stages.token(arn, { userId: "ann" });
  const older = await openPeer(`role=publish&token=${token}`);
  await becomes(older, "live");
  const newer = await openPeer(`role=publish&token=${token}`);
  await becomes(newer, "live");
  const { code, told } = await becomes(older, "failed");
  assert.deepEqual([code, told], ["REPLACED", ["REPLACED"]]);
  const viewer = await watcherPage(arn, participantId);
  await energyOf(viewer);
  for (const page of [viewer, newer]) {
    const { state, told } = await stateOf(page);
    assert.deepEqual([state, told], ["live", []]);
  }
});

test("of two pages that watch with one token the newer one goes on, and the older one ends", async () => {
  const arn = await stages.create("sessions-watch");
  const { participantId, token } = await stages.token(arn, { userId: "ann" });
  await openPeer(`role=publish&token=${token}`);
  await stages.waitFor(arn, participantId, "CONNECTED");
  const viewer = await stages.token(arn, { capabilities: ["SUBSCRIBE"] });
  const older = await watcherPage(arn, participantId, viewer.token);
  await becomes(older, "live");
  const newer = await watcherPage(arn, participantId, viewer.token);
  await becomes(newer, "live");
  assert.equal((await becomes(older, "failed")).code, "REPLACED");
  await energyOf(newer);
  const { state, told } = await stateOf(newer);
  assert.deepEqual([state, told], ["live", []]);
});

test("what is unmuted while the events socket is away is told when it is back", async () => {
  const arn = await stages.create("sessions-socket");
  const { participantId, token } = await stages.token(arn, { userId: "ann" });
  const publisher = await openPeer(`role=publish&events=1&token=${token}`);
  await stages.waitFor(arn, participantId, "CONNECTED");
  const viewer = await watcherPage(arn, participantId);
  const isToldMuted = isMuted =>
    eventuallySeen(
      () => viewer.evaluate("window.readMembers()"),
      members => members.some(member => member.id === participantId && member.audioMuted === isMuted),
      isMuted ? "muted" : "unmuted",
    );
  await becomes(publisher, "live");
  await publisher.evaluate("window.setMuted('audio', true)");
  await isToldMuted(true);
  await publisher.evaluate(() => {
    const { send } = WebSocket.prototype;
    WebSocket.prototype.send = function (data) {
      // The page has no other socket; it is gone before it has said what it was given.
      WebSocket.prototype.send = send;
      this.close();
      return send.call(this, data);
    };
    window.setMuted("audio", false);
  });
  await isToldMuted(false);
  assert.equal((await stateOf(publisher)).state, "live");
});
