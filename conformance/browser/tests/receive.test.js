/** All of a stage by one RTCPeerConnection, whose offers the server makes over the events socket. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { openPage } from "../support/browser.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { eventually, eventuallySeen } from "../support/wait.js";

useScene("browser_receive", { closesPages: true });

/** How long a busy machine may take until pictures are there. */
const PICTURES_MS = 90_000;

const openPlain = () => openPage(browser, site, "receive.html");
const read = page => page.evaluate("window.read()");
const stageIdOf = arn => arn.slice(arn.lastIndexOf("/") + 1);
const eventsOf = arn => `${server.url.replace("http", "ws")}/events/${stageIdOf(arn)}`;

/** A participant that publishes a number in pictures. */
async function publisher(page, stageArn, identity) {
  const { participantId, token } = await stages.token(stageArn, { userId: `p${identity}` });
  const { session } = await page.evaluate(
    ([url, token, identity]) => window.publish(url, token, identity),
    [server.url, token, identity],
  );
  const stop = () => fetch(session, { method: "DELETE", headers: { Authorization: `Bearer ${token}` } });
  return { id: participantId, identity, stop };
}

/** Participants with the numbers from `first` on. */
async function publishers(stageArn, count, first = 1) {
  const page = await openPlain();
  const found = [];
  for (let identity = first; identity < first + count; identity += 1) {
    found.push(await publisher(page, stageArn, identity));
  }
  return found;
}

/** A page that receives. */
async function receiver(stageArn) {
  const { participantId, token } = await stages.token(stageArn, { capabilities: ["SUBSCRIBE"] });
  const page = await openPlain();
  const open = () => page.evaluate(([url, token]) => window.listen(url, token), [eventsOf(stageArn), token]);
  await open();
  return { id: participantId, token, page, open };
}

const want = ({ id }, media = "AUDIO_VIDEO", more = {}) => ({ remoteParticipantId: id, media, ...more });
const configure = (page, receive, connectionId) =>
  page.evaluate(([receive, id]) => window.configure(receive, id), [receive, connectionId]);

/** Waits until each of these is seen with its own number, and heard, and more pictures come. */
async function seen(page, all) {
  const before = await read(page);
  return await eventuallySeen(
    () => read(page),
    now =>
      all.every(({ id, identity }) => {
        const [was, is] = [before.streams[id], now.streams[id]];
        const count = was?.videoMid === is?.videoMid ? (was?.frames ?? 0) : 0;
        return is && is.identity === identity && is.frames >= count + 5 && is.sound > 5;
      }),
    `${all.length} publishers are seen and heard`,
    PICTURES_MS,
  );
}

for (const count of [2, 4, 12]) {
  test(`${count} participants come by one connection`, async () => {
    const stage = await stages.create(`receive-${count}`);
    const all = await publishers(stage, count);
    const { page } = await receiver(stage);
    await configure(
      page,
      all.map(one => want(one)),
    );
    await seen(page, all);
    const isConnected = ({ connection }) => connection === "connected";
    const { states, offers, messages } = await eventuallySeen(() => read(page), isConnected, "connected");
    assert.deepEqual([...new Set(Object.values(states))], ["ATTACHED"]);
    console.log(`${count} participants after ${offers} offers`);
    assert.ok(
      messages.every(({ type }) => !/ERROR|FAULT|CLOSED/.test(type)),
      JSON.stringify(messages),
    );
  });
}

test("one leaves, and the next takes its sections, with sound alone at first", async () => {
  const stage = await stages.create("receive-leave");
  const [ann, bob] = await publishers(stage, 2);
  const { page } = await receiver(stage);
  await configure(page, [want(ann), want(bob)]);
  const first = await seen(page, [ann, bob]);
  await ann.stop();
  await eventuallySeen(
    () => read(page),
    ({ states, streams }) => states[ann.id] === "WAITING" && !streams[ann.id],
    "ann is awaited",
    PICTURES_MS,
  );
  const [eve] = await publishers(stage, 1, 77);
  await configure(page, [want(bob), want(eve, "AUDIO_ONLY")]);
  const heard = await eventuallySeen(
    () => read(page),
    ({ streams }) => streams[eve.id]?.sound > 20,
    "eve is heard",
    PICTURES_MS,
  );
  assert.equal(heard.streams[eve.id].audioMid, first.streams[ann.id].audioMid);
  assert.equal(heard.streams[eve.id].videoMid, null);
  await configure(page, [want(bob), want(eve)]);
  const last = await seen(page, [bob, eve]);
  assert.equal(last.streams[eve.id].videoMid, first.streams[ann.id].videoMid);
  assert.equal(last.connection, "connected");
});

test("who is awaited is attached when it publishes, also as a replica", async () => {
  const source = await stages.create("receive-source");
  const stage = await stages.create("receive-destination");
  const [ann] = await publishers(source, 1, 5);
  const { page } = await receiver(stage);
  await configure(page, [want(ann)]);
  const { states } = await eventuallySeen(
    () => read(page),
    now => now.connectionId,
    "an answer",
  );
  assert.deepEqual(states, { [ann.id]: "WAITING" });
  await stages.replicate(source, stage, ann.id);
  await seen(page, [ann]);
  await stages.stop(source, stage, ann.id);
  await eventuallySeen(
    () => read(page),
    now => now.states[ann.id] === "WAITING",
    "it is gone",
    PICTURES_MS,
  );
});

test("ICE restarts, and a socket that comes back adopts the connection", async () => {
  const stage = await stages.create("receive-restart");
  const all = await publishers(stage, 2);
  const { page, open } = await receiver(stage);
  await configure(
    page,
    all.map(one => want(one)),
  );
  const first = await seen(page, all);
  await page.evaluate("window.restart()");
  await eventuallySeen(
    () => read(page),
    now => now.ufrag !== first.ufrag,
    "other credentials",
    PICTURES_MS,
  );
  await seen(page, all);
  await page.evaluate("window.hangUp()");
  await seen(page, all);
  await open();
  await configure(
    page,
    all.map(one => want(one)),
    first.connectionId,
  );
  await eventuallySeen(
    () => read(page),
    ({ messages }) => messages.at(-1)?.type === "RECEIVE_CONFIGURED",
    "it is configured again",
  );
  const again = await seen(page, all);
  assert.equal(again.connectionId, first.connectionId);
  assert.equal(again.closed, undefined);
  await page.evaluate("window.leave()");
  const { closed } = await eventuallySeen(
    () => read(page),
    now => now.closed,
    "it is closed",
  );
  assert.equal(closed.code, "CLOSED");
  await eventually(async () => (await read(page)).connection !== "connected", "the server has hung up");
});
