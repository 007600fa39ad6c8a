/** The events of a stage, and what a session learns from them. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { listen, watch } from "../src/connections/index.js";
import { FakeConnection, FakeSocket, fakeElement, settled, tokenWith } from "./fakes.js";
import { answered, latest, server, useFakes } from "./rig.js";

const FAR_FUTURE_S = 32_503_680_000;
const TOKEN = tokenWith({ jti: "me", topic: "s1", events_url: "ws://sfu.test/events", exp: FAR_FUTURE_S });
const PING_MS = 10_000;
const RETRY_LAST_MS = 8000;
const TRIES_MAX = 65;

useFakes({ timers: ["setTimeout"] });

test("the token is the sub-protocol, and who publishes is told", () => {
  const events = listen(` ${TOKEN}\n`);
  assert.deepEqual([latest().url, latest().protocols], ["ws://sfu.test/events/s1", [TOKEN]]);
  latest().dispatchEvent(new Event("open"));
  assert.equal(events.state, "open");
  let told = 0;
  events.addEventListener("stagestate", () => told++);
  const participants = [{ id: "p1", userId: "ann", attributes: {}, isPublishing: true }];
  latest().say({ type: "STAGE_STATE", payload: { stageId: "s1", participants } });
  assert.deepEqual([told, events.participants], [1, participants]);
  for (const other of ["", "no JSON", "null", "[]", '{"type":1}', { type: "LATER" }]) latest().say(other);
  events.close();
  assert.ok(latest().isClosed && events.state === "closed");
  mock.timers.tick(100 * PING_MS);
  assert.equal(FakeSocket.made.length, 1);
});

test("a socket that cannot be opened has failed, which whoever listens hears", async () => {
  Object.assign(globalThis, { WebSocket: undefined });
  const events = listen(TOKEN);
  let told = 0;
  events.addEventListener("error", () => told++);
  await events.joined;
  await settled(() => told === 1);
  assert.deepEqual([events.state, events.error?.code], ["failed", "FAILED"]);
  const closed = listen(TOKEN);
  closed.close();
  await closed.joined;
  assert.equal(closed.state, "closed");
});

test("a server that does not know a type says so, and the socket stays as it is", () => {
  const events = listen(TOKEN);
  latest().dispatchEvent(new Event("open"));
  /** @type {any[]} */
  const refusals = [];
  events.addEventListener("refused", event => refusals.push(/** @type {any} */ (event).refusal));
  latest().say({
    type: "ERROR",
    payload: { code: "UNKNOWN_TYPE", message: "type is unknown", member: "type" },
  });
  latest().say({ type: "ERROR" });
  assert.equal(refusals.length, 2);
  const [{ type, error }] = refusals;
  assert.deepEqual([type, error.code, error.message], ["ERROR", "UNKNOWN_TYPE", "type is unknown"]);
  assert.deepEqual([events.state, FakeSocket.made.length], ["open", 1]);
  events.close();
});

test("a socket that is lost is opened again, one that is silent too", () => {
  const events = listen(TOKEN);
  latest().dispatchEvent(new Event("open"));
  latest().end(1006);
  assert.equal(events.state, "reconnecting");
  mock.timers.tick(RETRY_LAST_MS);
  assert.equal(FakeSocket.made.length, 2);
  latest().dispatchEvent(new Event("open"));
  mock.timers.tick(PING_MS);
  assert.deepEqual(latest().sent, ['{"type":"PING"}']);
  latest().say({ type: "PONG" });
  mock.timers.tick(PING_MS);
  assert.equal(events.state, "open");
  mock.timers.tick(PING_MS);
  assert.equal(events.state, "reconnecting", "the second question had no answer");
  events.close();
});

test("what the server closes for good stays closed, with its code", () => {
  for (const [closeCode, reason, code] of [
    [4401, "TOKEN_EXPIRED", "TOKEN_EXPIRED"],
    [4401, "the token is not for this stage", "TOKEN_MALFORMED"],
    [4404, "STAGE_DELETED", "STAGE_DELETED"],
    [4409, "a newer connection took this one's place", "REPLACED"],
    [4410, "", "PARTICIPANT_DISCONNECTED"],
  ]) {
    const events = listen(TOKEN);
    const told = [];
    events.addEventListener("error", () => told.push(events.error?.code));
    latest().end(closeCode, reason);
    assert.deepEqual([events.state, told], ["failed", [code]]);
  }
});

test("a token that has ended, or a server that never answers, is not asked for ever", () => {
  const old = listen(tokenWith({ topic: "s1", events_url: "ws://sfu.test/events", exp: 1 }));
  latest().end(1006);
  assert.equal(old.error?.code, "TOKEN_EXPIRED");
  const events = listen(TOKEN);
  for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
    assert.notEqual(events.state, "failed");
    latest().end(1006);
    mock.timers.tick(RETRY_LAST_MS);
  }
  assert.deepEqual([events.state, events.error?.code], ["failed", "TIMEOUT"]);
});

test("a session is told what its connection is not given, and only its own", async () => {
  server.expect("POST", "http://sfu.test/whep/p1", { status: 201, location: "/whip/sessions/c1" });
  server.expect("DELETE", "http://sfu.test/whip/sessions/c1", { status: 200 });
  const events = listen(TOKEN);
  const asked = [];
  const session = watch("http://sfu.test/whep/p1", TOKEN, fakeElement(), {
    events: token => {
      asked.push(token);
      return events;
    },
  });
  // The offer waits until the socket is admitted, because it might otherwise miss reports about the connection.
  await settled(() => asked.length > 0);
  assert.equal(server.seen.length, 0);
  latest().say({ type: "STAGE_STATE", payload: { stageId: "s1", participants: [] } });
  await answered(0);
  FakeConnection.made[0].become("connected");
  const warnings = [];
  session.addEventListener("warning", () => warnings.push(session.warning));
  const payload = { code: "CODEC_MISMATCH", message: "the publisher sends VP8", isOver: false };
  for (const session of ["other", undefined, 7]) {
    latest().say({ type: "SUBSCRIBE_ERROR", payload: { ...payload, session } });
  }
  latest().say({ type: "SUBSCRIBE_ERROR", payload: { ...payload, session: "c1", isOver: true } });
  assert.deepEqual([asked, warnings], [[TOKEN], []]);
  latest().say({ type: "SUBSCRIBE_ERROR", payload: { ...payload, session: "c1" } });
  const [warning] = warnings;
  assert.deepEqual(
    [warning?.code, warning?.message, warning?.category],
    ["CODEC_MISMATCH", "the publisher sends VP8", "SUBSCRIBE_ERROR"],
  );
  assert.equal(session.state, "live");
  await session.close();
  latest().say({ type: "SUBSCRIBE_ERROR", payload: { ...payload, session: "c1" } });
  assert.equal(warnings.length, 1);
  events.close();
});

test("what is told before the answer has come is kept for the connection", async () => {
  const payload = { code: "CODEC_MISMATCH", message: "the publisher sends VP8", isOver: false };
  server.expect("POST", "http://sfu.test/whep/p1", {
    status: 201,
    location: "/whip/sessions/c1",
    meanwhile: () => {
      for (const session of ["c0", "c1"])
        latest().say({ type: "SUBSCRIBE_ERROR", payload: { ...payload, session } });
    },
  });
  server.expect("DELETE", "http://sfu.test/whip/sessions/c1", { status: 200 });
  const events = listen(TOKEN);
  const session = watch("http://sfu.test/whep/p1", TOKEN, fakeElement(), { events });
  latest().say({ type: "STAGE_STATE", payload: {} });
  await settled(() => session.warning !== undefined);
  assert.equal(session.warning?.code, "CODEC_MISMATCH");
  await session.close();
  events.close();
});

test("an events socket that does not open holds up no offer for long", async () => {
  server.expect("POST", "http://sfu.test/whep/p1", { status: 403 });
  const events = listen(TOKEN);
  const session = watch("http://sfu.test/whep/p1", TOKEN, fakeElement(), { events });
  await new Promise(resolve => setImmediate(resolve));
  mock.timers.tick(1000);
  await assert.rejects(session.ready, { status: 403 });
  events.close();
});
