/** What is muted is not sent, in whatever state the session is, and the server is told the same. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { listen, publish, watch } from "../src/connections/index.js";
import { FakeConnection, FakeSocket, fakeCamera, fakeElement, settled, tokenWith } from "./fakes.js";
import { answered, latest, server, useFakes } from "./rig.js";

const WHIP = "http://sfu.test/whip";
const TOKEN = tokenWith({ jti: "me", topic: "s1", events_url: "ws://sfu.test/events", exp: 32_503_680_000 });
/** As in retry.js, session.js and listen.js. */
const RETRY_MS = 500;
const TELL_AGAIN_MS = 1000;
const TELL_AGAIN_MAX = 5;

useFakes({ timers: ["setTimeout"] });

/** The payloads of PUBLISH_CONFIGURE that a socket was sent. */
const told = (socket = latest()) =>
  socket.sent
    .map(text => JSON.parse(text))
    .filter(({ type }) => type === "PUBLISH_CONFIGURE")
    .map(({ payload }) => payload);

/** Expects an offer, and the end of its session. @param {string} name @param {string} [body] */
function expectSession(name, body) {
  server.expect("POST", WHIP, { status: 201, location: `/whip/sessions/${name}` });
  server.expect("DELETE", `http://sfu.test/whip/sessions/${name}`, { status: 404, body });
}

/** Waits until the connection has its answer, and connects it. @param {number} index */
async function connect(index) {
  const connection = await answered(index);
  connection.become("connected");
  return connection;
}

/** Waits until the server was asked so often, and lets the pause before the next attempt pass. @param {number} requests */
async function passPause(requests) {
  await settled(() => server.seen.length === requests);
  for (let turn = 0; turn < 5; turn += 1) await new Promise(resolve => setImmediate(resolve));
  mock.timers.tick(RETRY_MS);
}

const openEvents = () => {
  const events = listen(TOKEN);
  latest().dispatchEvent(new Event("open"));
  latest().say({ type: "STAGE_STATE", payload: {} });
  return events;
};

test("a mute before the connection is up holds from the first packet", async () => {
  expectSession("c1");
  const { stream, enabled } = fakeCamera();
  const session = publish(WHIP, TOKEN, stream);
  assert.equal(session.state, "connecting");
  session.setMuted("audio", true);
  assert.deepEqual(enabled(), [false, true]);
  await connect(0);
  assert.deepEqual(enabled(), [false, true]);
  await session.close();
});

test("a mute while the session reconnects holds at once and in the next connection, and is told", async () => {
  expectSession("c1");
  expectSession("c2");
  const events = openEvents();
  const { stream, enabled } = fakeCamera();
  const session = publish(WHIP, TOKEN, stream, { events });
  (await connect(0)).become("failed");
  assert.equal(session.state, "reconnecting");
  session.setMuted("audio", true);
  session.setMuted("video", true);
  assert.deepEqual(enabled(), [false, false]);
  assert.deepEqual(told(), [], "there is no connection of which it could be told");
  await passPause(2);
  const next = await connect(1);
  assert.deepEqual(
    next.senders.map(sender => sender.enabledAtFirst),
    [false, false],
  );
  assert.deepEqual(told(), [{ audioMuted: true, videoStopped: true }]);
  await session.close();
  events.close();
});

test("a track that joins the stream later is muted before it is sent", async () => {
  expectSession("c1");
  expectSession("c2");
  const { stream, tracks } = fakeCamera();
  const session = publish(WHIP, TOKEN, stream);
  session.setMuted("video", true);
  (await connect(0)).become("failed");
  const other = { kind: "video", enabled: true };
  tracks.push(other);
  await passPause(2);
  const next = await connect(1);
  assert.deepEqual(
    next.senders.map(sender => sender.enabledAtFirst),
    [true, false, false],
  );
  await session.close();
  assert.equal(other.enabled, true);
});

test("a track that the caller put in the place of another is muted and given back, too", async () => {
  expectSession("c1");
  const { stream, enabled } = fakeCamera();
  const session = publish(WHIP, TOKEN, stream);
  const connection = await connect(0);
  const other = { kind: "audio", enabled: true };
  connection.senders[0].track = other;
  session.setMuted("audio", true);
  assert.deepEqual([other.enabled, ...enabled()], [false, false, true]);
  await session.close();
  assert.deepEqual([other.enabled, ...enabled()], [true, true, true]);
});

test("a session that failed can be muted, and is when it is tried again", async () => {
  server.expect("POST", WHIP, { status: 401 });
  expectSession("c1");
  const { stream, enabled } = fakeCamera();
  const session = publish(WHIP, TOKEN, stream);
  await assert.rejects(session.ready);
  session.setMuted("audio", true);
  assert.deepEqual(enabled(), [false, true]);
  session.retry();
  const connection = await connect(1);
  assert.deepEqual(
    connection.senders.map(sender => sender.enabledAtFirst),
    [false, true],
  );
  await session.close();
});

test("after close the tracks are as they were, and no sooner than nothing is sent any more", async () => {
  const { stream, tracks, enabled } = fakeCamera();
  server.expect("POST", WHIP, { status: 201, location: "/c" });
  /** @type {unknown[]} */
  const atTheEnd = [];
  server.expect("DELETE", "http://sfu.test/c", {
    status: 200,
    meanwhile: () => atTheEnd.push(FakeConnection.made[0].connectionState, ...enabled()),
  });
  tracks[1].enabled = false;
  const session = publish(WHIP, TOKEN, stream);
  await connect(0);
  session.setMuted("audio", true);
  session.setMuted("video", false);
  assert.deepEqual(enabled(), [false, true]);
  await session.close();
  assert.deepEqual(atTheEnd, ["connected", false, true]);
  assert.deepEqual(enabled(), [true, false]);
  session.setMuted("audio", true);
  assert.deepEqual(enabled(), [true, false], "they are the caller's again");
});

test("close while the server is asked why a connection ended waits until that connection is closed", async () => {
  const { stream, enabled } = fakeCamera();
  server.expect("POST", WHIP, { status: 201, location: "/c" });
  /** @type {unknown[]} */
  const seen = [];
  /** @type {Promise<void> | undefined} */
  let closing;
  server.expect("DELETE", "http://sfu.test/c", {
    status: 200,
    meanwhile: () => {
      closing = session.close().then(() => seen.push(FakeConnection.made[0].connectionState, ...enabled()));
    },
  });
  const session = publish(WHIP, TOKEN, stream);
  session.setMuted("audio", true);
  const connection = await connect(0);
  connection.transportBecomes("closed");
  await settled(() => closing !== undefined);
  await closing;
  assert.deepEqual(seen, ["closed", true, true]);
});

test("a track that two sessions send is muted as long as one of them mutes it", async () => {
  server.expect("POST", WHIP, { status: 401 });
  server.expect("POST", WHIP, { status: 401 });
  const { stream, enabled } = fakeCamera();
  const [one, other] = [publish(WHIP, TOKEN, stream), publish(WHIP, TOKEN, stream)];
  await assert.rejects(one.ready);
  await assert.rejects(other.ready);
  one.setMuted("audio", true);
  other.setMuted("audio", true);
  await one.close();
  assert.deepEqual(enabled(), [false, true]);
  other.setMuted("audio", false);
  assert.deepEqual(enabled(), [true, true]);
  other.setMuted("audio", true);
  await other.close();
  assert.deepEqual(enabled(), [true, true]);
});

test("what the caller disabled itself is not enabled by a reconnection", async () => {
  expectSession("c1");
  expectSession("c2");
  const { stream, tracks, enabled } = fakeCamera();
  const session = publish(WHIP, TOKEN, stream);
  session.setMuted("audio", false);
  tracks[0].enabled = false;
  (await connect(0)).become("failed");
  await passPause(2);
  await connect(1);
  assert.deepEqual(enabled(), [false, true]);
  await session.close();
});

test("what was muted while the events socket was away is told when it is open again", async () => {
  server.expect("POST", WHIP, { status: 201, location: "/c" });
  server.expect("GET", "http://sfu.test/c", { status: 405 });
  server.expect("DELETE", "http://sfu.test/c", { status: 200 });
  const events = openEvents();
  const { stream } = fakeCamera();
  const session = publish(WHIP, TOKEN, stream, { events });
  await connect(0);
  session.setMuted("audio", true);
  latest().end(1006);
  session.setMuted("audio", false);
  session.setMuted("video", true);
  mock.timers.tick(RETRY_MS);
  assert.equal(FakeSocket.made.length, 2);
  assert.deepEqual([told(FakeSocket.made[0]), told()], [[{ audioMuted: true }], []]);
  latest().dispatchEvent(new Event("open"));
  assert.deepEqual(told(), [{ audioMuted: false, videoStopped: true }]);
  await session.close();
  events.close();
});

test("what the server did not take is told again, the newest, and not for ever", async () => {
  expectSession("c1");
  const events = openEvents();
  const { stream } = fakeCamera();
  const session = publish(WHIP, TOKEN, stream, { events });
  await connect(0);
  const refuse = (/** @type {string} */ code) =>
    latest().say({ type: "PUBLISH_CONFIGURE_ERROR", payload: { code, message: "why" } });
  session.setMuted("audio", true);
  refuse("TOO_OFTEN");
  session.setMuted("audio", false);
  refuse("NO_PUBLICATION");
  mock.timers.tick(TELL_AGAIN_MS);
  assert.deepEqual(told().slice(2), [{ audioMuted: false }]);
  for (let times = 0; times < 2 * TELL_AGAIN_MAX; times += 1) {
    refuse("TOO_OFTEN");
    mock.timers.tick(TELL_AGAIN_MS);
  }
  assert.equal(told().length, 2 + TELL_AGAIN_MAX);
  session.setMuted("audio", true);
  refuse("INVALID");
  mock.timers.tick(TELL_AGAIN_MS);
  assert.equal(told().length, 3 + TELL_AGAIN_MAX, "the same words are refused again");
  await session.close();
  events.close();
});

test("nothing is muted by another word, nor by a viewer", async () => {
  server.expect("POST", WHIP, { status: 401 });
  server.expect("POST", WHIP, { status: 401 });
  const { stream, enabled } = fakeCamera();
  const session = publish(WHIP, TOKEN, stream);
  assert.throws(() => session.setMuted(/** @type {any} */ ("Audio"), true), TypeError);
  assert.deepEqual(enabled(), [true, true]);
  const events = openEvents();
  const viewer = watch(WHIP, TOKEN, fakeElement(), { events });
  viewer.setMuted("audio", true);
  await assert.rejects(viewer.ready);
  assert.deepEqual(told(), []);
  await session.close();
  events.close();
});
