import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { listen, watch } from "../src/connections/index.js";
import { Retry } from "../src/connections/retry.js";
import { FakeConnection, FakeSocket, fakeElement, settled, tokenWith } from "./fakes.js";
import { answered, server, useFakes } from "./rig.js";

const WHEP = "http://sfu.test/whep/p1";
const SESSION = "http://sfu.test/c";
const TOKEN = tokenWith({ topic: "s1", events_url: "ws://sfu.test/events", exp: 4e9 });
/** Twice the interval at which the counters are read. */
const SILENCE_MS = 1500;
const LOOK_AGAIN_MS = 4000;

/** The counter of the first connection. */
let bytesReceived = 0;

class Counting extends FakeConnection {
  async getStats() {
    return new Map([["T", { type: "transport", bytesReceived }]]);
  }
}

beforeEach(() => {
  bytesReceived = 0;
});
useFakes({ timers: ["setTimeout", "setInterval"], connection: Counting });

/** A session that is live. */
async function live(options = {}) {
  server.expect("POST", WHEP, { status: 201, location: "/c" });
  const session = watch(WHEP, TOKEN, fakeElement(), options);
  await answered(0);
  FakeConnection.made[0].become("connected");
  await session.ready;
  return session;
}

/** Lets time pass until the counters are read and the result is handled. */
async function pass(ms) {
  for (let passed = 0; passed < ms; passed += 250) {
    mock.timers.tick(250);
    for (let turn = 0; turn < 8; turn += 1) await Promise.resolve();
  }
}

for (const [what, answer] of /** @type {const} */ ([
  ["does not know the session", { status: 404, body: JSON.stringify({ code: "NO_SESSION", message: "" }) }],
  ["is down", { status: 0 }],
  ["is down behind a proxy", { status: 502 }],
])) {
  test(`a connection that is silent is replaced at once when the server ${what}`, async () => {
    const session = await live();
    server.expect("GET", SESSION, answer);
    server.expect("DELETE", SESSION, { status: 404, body: "{}" });
    await pass(SILENCE_MS + 1000);
    await settled(() => session.state === "reconnecting");
    await settled(() => server.seen.length === 3);
    await session.close();
  });
}

test("a connection that is silent looks for another path as long as the server has it, and asks now and then", async () => {
  const session = await live();
  server.expect("GET", SESSION, { status: 405 });
  server.expect("PATCH", SESSION, { status: 200, body: "a=ice-ufrag:two\r\na=ice-pwd:second\r\n" });
  await pass(SILENCE_MS + 1000);
  await settled(() => server.seen.length === 3);
  assert.equal(session.state, "live");
  // Media continues, so no further request is sent.
  for (let second = 0; second < 2 * (LOOK_AGAIN_MS / 1000); second += 1) {
    bytesReceived += 1;
    await pass(1000);
  }
  assert.deepEqual([session.state, server.seen.length], ["live", 3]);
  server.expect("DELETE", SESSION, { status: 200 });
  await session.close();
  await pass(10_000);
});

test("an events socket that ends has the server asked before anything is silent", async () => {
  const events = listen(TOKEN);
  FakeSocket.made[0].say({ type: "STAGE_STATE", payload: { participants: [] } });
  const session = await live({ events });
  server.expect("GET", SESSION, { status: 0 });
  server.expect("DELETE", SESSION, { status: 0 });
  FakeSocket.made[0].end(1012, "SERVER_RESTART");
  await settled(() => session.state === "reconnecting");
  await settled(() => server.seen.length === 3);
  assert.equal(events.state, "reconnecting");
  await session.close();
  events.close();
});

test("attempts follow closely for ten seconds, then less and less", t => {
  let now = 1000;
  t.mock.method(performance, "now", () => now);
  const retry = new Retry(4000);
  const bounded = (ms, least, most) => assert.ok(ms >= least && ms <= most, `${ms}`);
  for (; now <= 11_000; now += 250) bounded(retry.next(), 250, 500);
  for (const most of [1000, 2000, 4000, 4000]) bounded(retry.next(), most / 2, most);
  retry.reset();
  bounded(retry.next(), 250, 500);
});
