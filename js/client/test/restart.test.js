/** A connection that loses its path looks for another one within its session, before it is replaced. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { watch } from "../src/connections/index.js";
import { renew } from "../src/connections/restart.js";
import { FakeConnection, fakeElement, settled, tokenWith } from "./fakes.js";
import { answered, server, useFakes } from "./rig.js";

const WHEP = "http://sfu.test/whep/p1";
const SESSION = "http://sfu.test/c";
const TOKEN = tokenWith({ topic: "s1", events_url: "ws://sfu.test/events", exp: 4e9 });
const ANSWER =
  "v=0\r\na=ice-ufrag:one\r\na=ice-pwd:first\r\nm=audio 9 x 0\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n";
const FRAGMENT = "a=ice-lite\r\na=ice-ufrag:two\r\na=ice-pwd:second\r\n";
const RENEWED = ANSWER.replace("one", "two").replace("first", "second");
/** As in client.js. */
const HEAL_MS = 2000;

/** A connection whose offers have other credentials each time ICE is restarted. */
class Restarting extends FakeConnection {
  restarts = 0;

  /** @param {{ iceRestart?: boolean }} [options] */
  async createOffer(options) {
    if (options?.iceRestart) this.restarts += 1;
    return { type: "offer", sdp: `a=ice-ufrag:u${this.restarts}\r\na=ice-pwd:p${this.restarts}\r\n` };
  }

  async getStats() {
    return new Map([["T", { type: "transport", bytesReceived: performance.now() }]]);
  }
}

useFakes({ timers: ["setTimeout", "setInterval"], connection: Restarting });

/** A session that is live, and its connection. */
async function live() {
  server.expect("POST", WHEP, { status: 201, location: "/c", etag: '"one"', body: ANSWER });
  const session = watch(WHEP, TOKEN, fakeElement());
  await answered(0);
  const connection = /** @type {Restarting} */ (FakeConnection.made[0]);
  connection.become("connected");
  await session.ready;
  return { session, connection };
}

/** The path is lost; the server is asked whether it has the session, too. */
function lose(/** @type {Restarting} */ connection, /** @type {any} */ ...answers) {
  for (const answer of answers) server.expect(answer.method, SESSION, answer);
  connection.become("disconnected");
}

const ALIVE = { method: "GET", status: 405 };
const RESTARTED = { method: "PATCH", status: 200, etag: '"two"', body: FRAGMENT };

test("a lost path is replaced by another one of the same session", async () => {
  const { session, connection } = await live();
  lose(connection, ALIVE, RESTARTED);
  await settled(() => /** @type {any} */ (connection.remoteDescription)?.sdp === RENEWED);
  const { method, headers, body } = server.seen[2];
  assert.deepEqual([method, headers["If-Match"], body], ["PATCH", "*", "a=ice-ufrag:u1\r\na=ice-pwd:p1\r\n"]);
  assert.equal(connection.localDescription?.sdp, body);
  connection.become("connected");
  mock.timers.tick(2 * HEAL_MS);
  assert.deepEqual([session.state, FakeConnection.made.length], ["live", 1]);
  server.expect("DELETE", SESSION, { status: 200 });
  await session.close();
});

test("a request that fails as the network changes is sent once more", async () => {
  const { session, connection } = await live();
  lose(connection, ALIVE, { method: "PATCH", status: 0 }, RESTARTED);
  await settled(() => /** @type {any} */ (connection.remoteDescription)?.sdp === RENEWED);
  assert.equal(connection.restarts, 2);
  server.expect("DELETE", SESSION, { status: 200 });
  await session.close();
});

test("a connection that finds no other path is replaced", async () => {
  const { session, connection } = await live();
  lose(connection, ALIVE, RESTARTED);
  await settled(() => /** @type {any} */ (connection.remoteDescription)?.sdp === RENEWED);
  server.expect("DELETE", SESSION, { status: 200 });
  mock.timers.tick(HEAL_MS);
  await settled(() => session.state === "reconnecting" && server.seen.length === 4);
  await session.close();
});

test("an answer keeps everything but the credentials", () => {
  assert.equal(renew(`${ANSWER}${ANSWER}`, FRAGMENT), `${RENEWED}${RENEWED}`);
  assert.throws(() => renew(ANSWER, "a=ice-ufrag:two\r\n"), /ice-pwd/);
});
