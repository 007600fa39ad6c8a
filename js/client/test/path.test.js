/** A server that answers over HTTP but has no media path. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { watch } from "../src/connections/index.js";
import { noMediaPath, udpCandidates } from "../src/connections/path.js";
import { FakeConnection, fakeElement, settled } from "./fakes.js";
import { answered, server, useFakes } from "./rig.js";

/** The bounds of js/client. */
const PATH_TIMEOUT_MS = 10_000;
const PATH_TRIES_MAX = 4;
const RETRY_LAST_MS = 4000;

const ANSWER = [
  "v=0",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=candidate:1 1 udp 2130706431 10.0.0.5 4081 typ host",
]
  .concat("a=candidate:1 1 UDP 2130706431 10.0.0.5 4081 typ host", "a=end-of-candidates", "")
  .join("\r\n");
const SENTENCE = "no media path: UDP port 4081 of 10.0.0.5 is not reachable from here";
const WHEP = "http://sfu.test/whep/p1";
const SESSION = "http://sfu.test/whip/sessions/c1";

useFakes({ timers: ["setTimeout"] });

/** Expects one attempt that is answered; at its end the server gives this reason. */
function expectAttempt(said = "") {
  server.expect("POST", WHEP, { status: 201, location: "/whip/sessions/c1", body: ANSWER });
  server.expect("DELETE", SESSION, { status: 200, body: said });
}

function open() {
  const session = watch(WHEP, "a.b.c", fakeElement());
  /** @type {string[]} */
  const told = [];
  session.addEventListener("error", () => told.push(`${session.error?.code}: ${session.error?.message}`));
  return { session, told };
}

test("the first attempt that gets no media path says so, and a few more are made", async () => {
  for (let attempt = 0; attempt < PATH_TRIES_MAX; attempt += 1) expectAttempt();
  const { session, told } = open();
  for (let attempt = 0; attempt < PATH_TRIES_MAX; attempt += 1) {
    await answered(attempt);
    assert.equal(session.state, attempt === 0 ? "connecting" : "unreachable");
    FakeConnection.made[attempt].iceBecomes("checking");
    mock.timers.tick(PATH_TIMEOUT_MS - 1);
    assert.equal(told.length, attempt, "not before the time is over");
    mock.timers.tick(1);
    await settled(() => told.length === attempt + 1);
    mock.timers.tick(RETRY_LAST_MS);
  }
  assert.deepEqual(new Set(told), new Set([`NO_MEDIA_PATH: ${SENTENCE}`]));
  assert.equal(session.state, "failed");
  await assert.rejects(session.ready, { code: "NO_MEDIA_PATH", category: "SUBSCRIBE_ERROR" });
  mock.timers.tick(10 * PATH_TIMEOUT_MS);
  assert.equal(FakeConnection.made.length, PATH_TRIES_MAX, "then it is the caller's to try again");

  expectAttempt();
  session.retry();
  await answered(PATH_TRIES_MAX);
  FakeConnection.made[PATH_TRIES_MAX].iceBecomes("connected");
  FakeConnection.made[PATH_TRIES_MAX].become("connected");
  await session.ready;
  assert.deepEqual([session.state, session.error], ["live", undefined]);
  await session.close();
});

test("what ICE gives up sooner is told sooner", async () => {
  expectAttempt();
  const { session, told } = open();
  await answered(0);
  FakeConnection.made[0].iceBecomes("failed");
  FakeConnection.made[0].become("failed");
  await settled(() => told.length > 0);
  assert.deepEqual([session.state, told], ["unreachable", [`NO_MEDIA_PATH: ${SENTENCE}`]]);
  await session.close();
});

test("what the server saw of it is added where it is something else", async () => {
  expectAttempt(JSON.stringify({ code: "ICE_FAILED", message: "checks with a wrong password arrived" }));
  const { session, told } = open();
  await answered(0);
  mock.timers.tick(PATH_TIMEOUT_MS);
  await settled(() => told.length > 0);
  assert.deepEqual(told, [`NO_MEDIA_PATH: ${SENTENCE} (the server: checks with a wrong password arrived)`]);
  await session.close();
});

test("a path without a finished handshake is not called a missing path", async () => {
  expectAttempt(JSON.stringify({ code: "DTLS_FAILED", message: "the certificate has another fingerprint" }));
  expectAttempt();
  server.expect("POST", WHEP, { status: 0 });
  const { session, told } = open();
  for (const attempt of [0, 1]) {
    await answered(attempt);
    FakeConnection.made[attempt].iceBecomes("connected");
    mock.timers.tick(PATH_TIMEOUT_MS);
    await settled(() => told.length === attempt + 1);
    mock.timers.tick(RETRY_LAST_MS);
  }
  assert.equal(told[0], "DTLS_FAILED: the certificate has another fingerprint");
  assert.match(told[1], /^DTLS_FAILED: the server is reached over UDP, but/);
  await settled(() => server.seen.length === 5);
  await session.close();
});

test("why the server ended a connection is told while the next one is made", async () => {
  const ended = { code: "BITRATE_EXCEEDED", message: "more than limit-publish-bitrate" };
  expectAttempt(JSON.stringify({ code: "NO_SESSION", message: "this session has ended", ended }));
  const { session, told } = open();
  await answered(0);
  FakeConnection.made[0].become("connected");
  FakeConnection.made[0].become("closed");
  assert.equal(session.state, "reconnecting");
  await settled(() => told.length > 0);
  assert.deepEqual(told, ["BITRATE_EXCEEDED: more than limit-publish-bitrate"]);
  await session.close();
});

test("the server's farewell is heeded, whatever the connection's state", async () => {
  expectAttempt();
  const { session } = open();
  await answered(0);
  FakeConnection.made[0].transportBecomes("connected");
  FakeConnection.made[0].become("connected");
  FakeConnection.made[0].transportBecomes("closed");
  assert.equal(session.state, "reconnecting");
  await settled(() => server.seen.length === 2);
  await session.close();
});

test("a connection that was up and is lost is no missing path", async () => {
  expectAttempt();
  const { session, told } = open();
  await answered(0);
  FakeConnection.made[0].become("connected");
  mock.timers.tick(10 * PATH_TIMEOUT_MS);
  assert.equal(session.state, "live");
  FakeConnection.made[0].iceBecomes("failed");
  FakeConnection.made[0].become("failed");
  assert.equal(session.state, "reconnecting");
  await settled(() => server.seen.length === 2);
  assert.deepEqual(told, []);
  await session.close();
});

test("candidates are named by port, each once and only a few", () => {
  assert.deepEqual(udpCandidates(ANSWER), [{ address: "10.0.0.5", port: 4081 }]);
  const tcp = "a=candidate:1 1 tcp 1 10.0.0.5 4081 typ host tcptype passive";
  assert.deepEqual(udpCandidates(`${tcp}\r\na=candidate:x\r\n`), []);
  const sentence = candidates => noMediaPath(candidates, "SUBSCRIBE_ERROR").message;
  const at = (address, port) => ({ address, port });
  assert.equal(
    sentence([at("10.0.0.5", 4081), at("fd00::1", 4081)]),
    "no media path: UDP port 4081 of 10.0.0.5 and fd00::1 is not reachable from here",
  );
  assert.equal(
    sentence([at("a", 1), at("b", 2)]),
    "no media path: UDP port 1 of a and UDP port 2 of b are not reachable from here",
  );
  assert.equal(
    sentence(["a", "b", "c", "d", "e", "f"].map(name => at(name, 1))),
    "no media path: UDP port 1 of a, b, c and d and 2 more are not reachable from here",
  );
  assert.equal(sentence([]), "no media path: the server's answer names no UDP port");
});
