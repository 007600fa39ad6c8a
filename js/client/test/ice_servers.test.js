/** Reading the relay's addresses from `Link` headers. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { askForRelays, iceServers } from "../src/connections/ice_servers.js";

const link = (/** @type {string} */ url, /** @type {string} */ more) => `<${url}>; rel="ice-server"${more}`;
const SIGNED = '; username="7:ann"; credential="cGFzcw=="; credential-type="password"';

test("each relay of the header is read, with its credential", () => {
  const urls = ["turn:192.0.2.1:4081?transport=udp", "turns:video.example.org:443?transport=tcp"];
  const header = urls.map(url => link(url, SIGNED)).join(", ");
  assert.deepEqual(
    iceServers(header),
    urls.map(urls => ({ urls, username: "7:ann", credential: "cGFzcw==" })),
  );
});

test("quoted strings may contain commas, semicolons, quotes and brackets", () => {
  const header = link("turn:a:1", '; username="7:a\\"b, <c>; d\\\\"; credential=plain');
  assert.deepEqual(iceServers(header), [
    { urls: "turn:a:1", username: '7:a"b, <c>; d\\', credential: "plain" },
  ]);
});

test("what is no relay, or incomplete, is left out", () => {
  const cases = [
    null,
    "",
    "nonsense",
    link("turn:a:1", ""),
    link("https://example.org", SIGNED),
    link("stun:a:1", ""),
    `<turn:a:1>; rel="next"${SIGNED}`,
    `<turn:a:1${SIGNED}`,
    "<".repeat(10_000),
  ];
  for (const header of cases) assert.deepEqual(iceServers(header), [], `${header}`.slice(0, 60));
});

test("a header with many relays gives a few", () => {
  const many = Array.from({ length: 50 }, (_, index) => link(`turn:a:${index + 1}`, SIGNED)).join(", ");
  assert.equal(iceServers(many).length, 4);
});

test("who uses a relay alone asks before the offer", async t => {
  const asked = t.mock.method(globalThis, "fetch", async () => ({
    headers: new Headers({ Link: link("turn:192.0.2.1:4081?transport=udp", SIGNED) }),
  }));
  const [relay] = await askForRelays("http://sfu.test/whip", "a.b.c");
  assert.equal(relay.urls, "turn:192.0.2.1:4081?transport=udp");
  const [url, { method, headers }] = /** @type {any} */ (asked.mock.calls[0].arguments);
  assert.deepEqual([url, method, headers.Authorization], ["http://sfu.test/whip", "OPTIONS", "Bearer a.b.c"]);
});
