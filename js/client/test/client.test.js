import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeToken, publish, StageError, trickleFragment, watch } from "../src/connections/index.js";
import { StatsReader } from "../src/connections/stats.js";
import { FakeConnection, fakeElement, settled, tokenWith } from "./fakes.js";
import { answered, server, useFakes } from "./rig.js";

useFakes();

test("a token's payload is read whatever characters its user id has", () => {
  const payload = { jti: "q7Rk2ZpLw0Xe", whip_url: "http://stage.test/whip", user_id: "Zoë ✓" };
  assert.deepEqual(decodeToken(` ${tokenWith(payload)}\n`), payload);
});

test("text that is not a token is refused", () => {
  assert.throws(() => decodeToken("nonsense"), TypeError);
  assert.throws(() => decodeToken("a.!!!.c"));
});

const SDP = [
  "v=0",
  "a=group:BUNDLE 0 1",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=ice-ufrag:abcd",
  "a=ice-pwd:secret",
]
  .concat("a=mid:0", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=ice-ufrag:abcd", "a=ice-pwd:secret", "a=mid:1", "")
  .join("\r\n");

test("a trickle fragment names the generation, the section and the candidate", () => {
  const candidate = /** @type {any} */ ({
    sdpMid: "1",
    candidate: "candidate:1 1 udp 1 127.0.0.1 9 typ host",
  });
  assert.equal(
    trickleFragment(SDP, [candidate], false),
    "a=ice-ufrag:abcd\r\na=ice-pwd:secret\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n" +
      "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n",
  );
});

test("the end of candidates is told in the first section", () => {
  assert.equal(
    trickleFragment(SDP, [], true),
    "a=ice-ufrag:abcd\r\na=ice-pwd:secret\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=end-of-candidates\r\n",
  );
});

test("a relay that the server offers is known to the browser before it looks for paths", async () => {
  const link =
    '<turn:192.0.2.1:4081?transport=udp>; rel="ice-server"; username="7:p1"; credential="cGFzcw=="';
  server.expect("POST", "http://sfu.test/whep/p1", { status: 201, location: "/whep/p1/c1", link });
  server.expect("DELETE", "http://sfu.test/whep/p1/c1", { status: 200 });
  const session = watch("http://sfu.test/whep/p1", "a.b.c", fakeElement());
  await answered(0);
  const { configuration, localDescription } = FakeConnection.made[0];
  assert.deepEqual(configuration, {
    bundlePolicy: "max-bundle",
    iceServers: [{ urls: "turn:192.0.2.1:4081?transport=udp", username: "7:p1", credential: "cGFzcw==" }],
  });
  assert.equal(localDescription?.sdp, "fake offer");
  await session.close();
});

test("watching posts the offer with the token, takes the answer and ends with DELETE", async () => {
  server.expect("POST", "http://sfu.test/whep/p1", { status: 201, location: "/whep/p1/c1", etag: '"1"' });
  server.expect("DELETE", "http://sfu.test/whep/p1/c1", { status: 200 });
  const session = watch("http://sfu.test/whep/p1", "a.b.c", fakeElement());
  await answered(0);
  assert.equal(server.seen[0].headers.Authorization, "Bearer a.b.c");
  assert.equal(server.seen[0].headers["Content-Type"], "application/sdp");
  assert.equal(server.seen[0].body, "fake offer");
  FakeConnection.made[0].become("connected");
  await session.ready;
  assert.equal(session.state, "live");
  await session.close();
  assert.equal(session.state, "closed");
  assert.equal(FakeConnection.made[0].connectionState, "closed");
});

test("candidates found early and late reach the resource by PATCH with its ETag", async () => {
  server.expect("POST", "http://sfu.test/whep/p1", { status: 201, location: "/whep/p1/c1", etag: '"7"' });
  server.expect("PATCH", "http://sfu.test/whep/p1/c1", { status: 204 });
  server.expect("PATCH", "http://sfu.test/whep/p1/c1", { status: 204 });
  server.expect("DELETE", "http://sfu.test/whep/p1/c1", { status: 200 });
  const session = watch("http://sfu.test/whep/p1", "a.b.c", fakeElement());
  const connection = FakeConnection.made[0];
  connection.offered = SDP;
  connection.find({ sdpMid: "0", candidate: "candidate:early" });
  await settled(() => server.seen.length === 2);
  connection.find({ sdpMid: "0", candidate: "candidate:late" });
  await settled(() => server.seen.length === 3);
  assert.equal(server.seen[1].headers["If-Match"], '"7"');
  assert.equal(server.seen[1].headers["Content-Type"], "application/trickle-ice-sdpfrag");
  assert.match(server.seen[1].body, /a=candidate:early/);
  assert.match(server.seen[2].body, /a=candidate:late/);
  await session.close();
});

test("a token source is asked for each connection", async () => {
  server.expect("POST", "http://sfu.test/whep/p1", { status: 503 });
  server.expect("POST", "http://sfu.test/whep/p1", { status: 201, location: "/c" });
  server.expect("DELETE", "http://sfu.test/c", { status: 200 });
  let asked = 0;
  const session = watch("http://sfu.test/whep/p1", async () => `token-${++asked}`, fakeElement());
  await answered(1);
  await session.close();
  const sent = server.seen.map(request => request.headers.Authorization);
  assert.deepEqual(sent, ["Bearer token-1", "Bearer token-2", "Bearer token-2"]);
});

test("a refusal for good ends in failed with the server's sentence", async () => {
  server.expect("POST", "http://sfu.test/whip", {
    status: 403,
    body: JSON.stringify({
      code: "TOKEN_NOT_ALLOWED",
      message: "the participant token lacks the capability PUBLISH",
    }),
  });
  const session = publish(
    "http://sfu.test/whip",
    "a.b.c",
    /** @type {any} */ ({ getTracks: () => [{ kind: "audio", enabled: true }] }),
  );
  await assert.rejects(session.ready, {
    name: "StageError",
    status: 403,
    code: "TOKEN_NOT_ALLOWED",
    category: "PUBLISH_ERROR",
    message: /lacks the capability/,
  });
  assert.equal(session.state, "failed");
});

test("a participant who is not publishing is waited for", async () => {
  server.expect("POST", "http://sfu.test/whep/p1", { status: 404 });
  server.expect("POST", "http://sfu.test/whep/p1", { status: 201, location: "c2" });
  server.expect("DELETE", "http://sfu.test/whep/c2", { status: 200 });
  const session = watch("http://sfu.test/whep/p1", "a.b.c", fakeElement());
  const states = [];
  session.addEventListener("statechange", () => states.push(session.state));
  await answered(1);
  FakeConnection.made[1].become("connected");
  assert.deepEqual(states, ["waiting", "live"]);
  await session.close();
});

test("a failed connection is replaced by a new one", async () => {
  server.expect("POST", "http://sfu.test/whep/p1", { status: 201, location: "/whep/p1/c1" });
  server.expect("DELETE", "http://sfu.test/whep/p1/c1", { status: 404 });
  server.expect("POST", "http://sfu.test/whep/p1", { status: 201, location: "/whep/p1/c2" });
  server.expect("DELETE", "http://sfu.test/whep/p1/c2", { status: 200 });
  const session = watch("http://sfu.test/whep/p1", "a.b.c", fakeElement());
  await answered(0);
  FakeConnection.made[0].become("connected");
  FakeConnection.made[0].become("failed");
  assert.equal(session.state, "reconnecting");
  await answered(1);
  FakeConnection.made[1].become("connected");
  assert.equal(session.state, "live");
  await session.close();
});

test("no answer at all is tried again", async () => {
  server.expect("POST", "http://sfu.test/whep/p1", { status: 0 });
  server.expect("POST", "http://sfu.test/whep/p1", { status: 201, location: "/c" });
  server.expect("DELETE", "http://sfu.test/c", { status: 200 });
  const session = watch("http://sfu.test/whep/p1", "a.b.c", fakeElement());
  await answered(1);
  assert.deepEqual([session.error?.status, session.error?.code], [0, "TIMEOUT"]);
  await session.close();
});

test("an answer that comes after close is deleted at the server", async () => {
  server.expect("POST", "http://sfu.test/whep/p1", {
    status: 201,
    location: "/whep/p1/c1",
    meanwhile: () => session.close(),
  });
  server.expect("DELETE", "http://sfu.test/whep/p1/c1", { status: 200 });
  const session = watch("http://sfu.test/whep/p1", "a.b.c", fakeElement());
  await settled(() => server.seen.length === 2);
  await assert.rejects(session.ready, { code: "CANCELED" });
});

test("what is closed before its offer is ready asks for nothing", async () => {
  let give = _ => {};
  const token = new Promise(resolve => {
    give = resolve;
  });
  const session = watch("http://sfu.test/whep/p1", () => token, fakeElement());
  await session.close();
  give("a.b.c");
  await assert.rejects(session.ready, { code: "CANCELED" });
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(server.seen, []);
});

test("a stage that is not there is not published to again", async () => {
  server.expect("POST", "http://sfu.test/whip", { status: 404 });
  const session = publish(
    "http://sfu.test/whip",
    "a.b.c",
    /** @type {any} */ ({ getTracks: () => [{ kind: "audio", enabled: true }] }),
  );
  await assert.rejects(session.ready, { status: 404, message: "the server answered 404" });
});

test("a session that failed is tried again when asked to", async () => {
  server.expect("POST", "http://sfu.test/whep/p1", { status: 401 });
  server.expect("POST", "http://sfu.test/whep/p1", { status: 201, location: "/c" });
  server.expect("DELETE", "http://sfu.test/c", { status: 200 });
  const session = watch("http://sfu.test/whep/p1", "a.b.c", fakeElement());
  await assert.rejects(session.ready);
  session.retry();
  assert.deepEqual([session.state, session.error], ["connecting", undefined]);
  await answered(1);
  FakeConnection.made[1].become("connected");
  await session.ready;
  session.retry();
  assert.equal(session.state, "live", "only what failed is tried again");
  await session.close();
});

test("which failures are worth another attempt", () => {
  const passes = (status, code) => new StageError("", { status, code }).isPassing;
  for (const status of [404, 409, 429, 500, 503]) assert.ok(passes(status, "FAILED"), `${status}`);
  for (const status of [400, 401, 403, 406, 415, 422]) assert.ok(!passes(status, "FAILED"), `${status}`);
  for (const code of ["TIMEOUT", "NO_MEDIA_PATH", "DTLS_FAILED"]) assert.ok(passes(0, code), code);
  for (const code of ["CANCELED", "TOKEN_EXPIRED"]) assert.ok(!passes(0, code), code);
});

test("statistics of a received connection", async () => {
  const report = new Map(
    Object.entries({
      v: {
        type: "inbound-rtp",
        kind: "video",
        frameWidth: 320,
        frameHeight: 240,
        framesDecoded: 9,
        codecId: "c",
      },
      a: { type: "inbound-rtp", kind: "audio", audioLevel: 0.5, totalAudioEnergy: 1.5, packetsLost: 2 },
      c: { type: "codec", mimeType: "video/H264" },
      t: { type: "transport", srtpCipher: "AEAD_AES_128_GCM", selectedCandidatePairId: "p" },
      p: { type: "candidate-pair", currentRoundTripTime: 0.02 },
    }),
  );
  const connection = /** @type {any} */ ({ getStats: async () => report, getReceivers: () => [] });
  const stats = await new StatsReader().read(connection);
  assert.deepEqual(
    [stats.width, stats.height, stats.frames, stats.videoCodec, stats.audioLevel, stats.audioEnergy],
    [320, 240, 9, "H264", 0.5, 1.5],
  );
  assert.deepEqual([stats.packetsLost, stats.roundTripMs, stats.srtpCipher], [2, 20, "AEAD_AES_128_GCM"]);
  assert.equal(stats.bitsPerSecond, 0, "the first reading has nothing to compare with");
});

test("the level of a muted element is what the sender says", async () => {
  const sources = [{ audioLevel: 0.25 }, {}];
  const connection = /** @type {any} */ ({
    getStats: async () => new Map(),
    getReceivers: () => [{ getSynchronizationSources: () => sources }],
  });
  assert.equal((await new StatsReader().read(connection)).audioLevel, 0.25);
});
