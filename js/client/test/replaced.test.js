/** Endings for good, and failures that are not: another session with the token, a token that is not there, nothing to send. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { publish, StageError, watch } from "../src/connections/index.js";
import { FakeConnection, fakeCamera, fakeElement, settled } from "./fakes.js";
import { answered, server, useFakes } from "./rig.js";

const WHEP = "http://sfu.test/whep/p1";
const WHIP = "http://sfu.test/whip";
const SESSION = "http://sfu.test/c";
/** The longest pause between attempts, as in session.js. */
const RETRY_LAST_MS = 4000;
const PATH_TIMEOUT_MS = 10_000;
const REPLACED = JSON.stringify({
  code: "NO_SESSION",
  message: "there is no such session",
  ended: { code: "REPLACED", reason: "replaced", message: "a newer connection took its place" },
});

useFakes({
  timers: ["setTimeout"],
  globals: {
    RTCRtpSender: {
      getCapabilities: () => ({ codecs: [{ mimeType: "video/H264" }, { mimeType: "video/rtx" }] }),
    },
  },
});

test("a token that fits into no header has the session fail, and is not tried again", async () => {
  for (const token of ["a.b.c☃", () => "a.b.é"]) {
    const session = publish(WHIP, token, fakeCamera().stream);
    await settled(() => session.state === "failed");
    assert.deepEqual([session.error?.code, session.error?.category], ["TOKEN_MALFORMED", "PUBLISH_ERROR"]);
  }
});

for (const [how, made, code, state] of /** @type {[string, unknown, string, string][]} */ ([
  [
    "does not make it now",
    class {
      constructor() {
        throw new DOMException("Cannot create so many PeerConnections", "UnknownError");
      }
    },
    "NO_PEER_CONNECTION",
    "connecting",
  ],
  ["has none", undefined, "FAILED", "failed"],
])) {
  test(`a connection is tried again unless the browser has none: it ${how}`, async () => {
    Object.assign(globalThis, { RTCPeerConnection: made });
    const session = watch(WHEP, "a.b.c", fakeElement());
    await settled(() => session.error !== undefined);
    assert.deepEqual([session.error?.code, session.state], [code, state]);
    session.close();
    await session.ready.catch(() => {});
    let told = 0;
    session.addEventListener("error", () => told++);
    await passPause();
    assert.deepEqual([session.state, told], ["closed", 0]);
  });
}

/** Lets what has been answered take effect, and then the longest pause pass. */
async function passPause() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(resolve => setImmediate(resolve));
  mock.timers.tick(RETRY_LAST_MS);
  for (let turn = 0; turn < 5; turn += 1) await new Promise(resolve => setImmediate(resolve));
}

/** The states and error codes of a session from here on. @param {import("../src/connections/index.js").MediaSession} session */
function recorded(session) {
  /** @type {(string | undefined)[]} */
  const seen = [];
  session.addEventListener("statechange", () => seen.push(session.state));
  session.addEventListener("error", () => seen.push(session.error?.code));
  return seen;
}

for (const [how, lose] of /** @type {[string, (connection: FakeConnection) => void][]} */ ([
  ["by a DTLS close", connection => connection.transportBecomes("closed")],
  ["by a path that fails", connection => connection.become("failed")],
])) {
  test(`a session that lost its place to another one ends, which it learns ${how}`, async () => {
    server.expect("POST", WHEP, { status: 201, location: "/c" });
    server.expect("DELETE", SESSION, { status: 404, body: REPLACED });
    const session = watch(WHEP, "a.b.c", fakeElement());
    const seen = recorded(session);
    await answered(0);
    FakeConnection.made[0].become("connected");
    lose(FakeConnection.made[0]);
    await settled(() => session.state === "failed");
    assert.deepEqual(seen, ["live", "reconnecting", "failed", "REPLACED"]);
    assert.equal(session.error?.message, "a newer connection took its place");
    await passPause();
    assert.equal(FakeConnection.made.length, 1);
    await session.close();
  });
}

test("it takes the place back when asked to", async () => {
  server.expect("POST", WHIP, { status: 201, location: "/c" });
  server.expect("DELETE", SESSION, { status: 404, body: REPLACED });
  server.expect("POST", WHIP, { status: 201, location: "/d" });
  server.expect("DELETE", "http://sfu.test/d", { status: 200 });
  const session = publish(WHIP, "a.b.c", fakeCamera().stream);
  await answered(0);
  FakeConnection.made[0].become("connected");
  FakeConnection.made[0].become("failed");
  await settled(() => session.state === "failed");
  session.retry();
  await answered(1);
  FakeConnection.made[1].become("connected");
  assert.equal(session.state, "live");
  await session.close();
});

test("a session that loses its place before it is live ends, too", async () => {
  server.expect("POST", WHIP, { status: 201, location: "/c" });
  server.expect("DELETE", SESSION, { status: 404, body: REPLACED });
  const session = publish(WHIP, "a.b.c", fakeCamera().stream);
  await answered(0);
  mock.timers.tick(PATH_TIMEOUT_MS);
  await assert.rejects(session.ready, { code: "REPLACED", category: "PUBLISH_ERROR" });
  await passPause();
  assert.equal(FakeConnection.made.length, 1);
});

test("a lost connection is not replaced before the server has said why, and it is when it does not say", async () => {
  const answers = [];
  server.expect("POST", WHEP, { status: 201, location: "/c" });
  const { fetch } = server;
  Object.assign(globalThis, {
    fetch: (/** @type {string} */ url, /** @type {any} */ init) =>
      init.method === "DELETE"
        ? new Promise((_, reject) => answers.push(() => reject(new TypeError("no answer"))))
        : fetch(url, init),
  });
  const session = watch(WHEP, "a.b.c", fakeElement());
  await answered(0);
  FakeConnection.made[0].become("connected");
  FakeConnection.made[0].become("failed");
  await passPause();
  assert.equal(FakeConnection.made.length, 1);
  server.expect("POST", WHEP, { status: 201, location: "/d" });
  answers.pop()();
  await passPause();
  await answered(1);
  const closing = session.close();
  await settled(() => answers.length > 0);
  answers.pop()();
  await closing;
});

test("a function that fetches no token is asked again, and its failure is told", async () => {
  server.expect("POST", WHEP, { status: 201, location: "/c" });
  server.expect("DELETE", SESSION, { status: 200 });
  const away = new Error("my backend is down");
  /** @type {(() => any)[]} */
  const results = [
    () => {
      throw away;
    },
    () => Promise.reject(away),
    () => undefined,
    () => "a.b.c",
  ];
  const session = watch(WHEP, () => results.shift()?.(), fakeElement());
  /** @type {(StageError | undefined)[]} */
  const errors = [];
  session.addEventListener("error", () => errors.push(session.error));
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await settled(() => errors.length === attempt);
    assert.equal(session.state, "connecting");
    await passPause();
  }
  await answered(3);
  assert.deepEqual(
    errors.map(error => error?.code),
    ["NO_TOKEN", "NO_TOKEN", "NO_TOKEN"],
  );
  assert.match(errors[0]?.message ?? "", /my backend is down/);
  assert.equal(errors[1]?.cause, away);
  FakeConnection.made[3].become("connected");
  await session.ready;
  assert.equal(session.error, undefined);
  await session.close();
});

test("a stream without tracks is an error that says so, until it has some", async () => {
  server.expect("POST", WHIP, { status: 201, location: "/c" });
  server.expect("DELETE", SESSION, { status: 200 });
  const { stream, tracks } = fakeCamera();
  const kept = tracks.splice(0);
  const session = publish(WHIP, "a.b.c", stream);
  const seen = recorded(session);
  await assert.rejects(session.ready, { code: "NO_TRACKS", category: "PUBLISH_ERROR", message: /no tracks/ });
  assert.deepEqual(seen, ["failed", "NO_TRACKS"]);
  tracks.push(...kept);
  session.retry();
  await answered(1);
  await session.close();
});

test("a codec that the browser lacks is an error that names it", async () => {
  const { stream } = fakeCamera();
  const session = publish(WHIP, "a.b.c", stream, { videoCodec: "H265" });
  const seen = recorded(session);
  await assert.rejects(session.ready, { code: "CODEC_MISMATCH", message: /H265/ });
  assert.deepEqual(seen, ["failed", "CODEC_MISMATCH"]);
  assert.deepEqual(server.seen, []);
  server.expect("POST", WHIP, { status: 201, location: "/c" });
  server.expect("DELETE", SESSION, { status: 200 });
  const other = publish(WHIP, "a.b.c", stream, { videoCodec: "H264" });
  await answered(1);
  await other.close();
});
