import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { listen, watch } from "../src/connections/index.js";
import { keepSecret, secretOf } from "../src/connections/resumption.js";
import { FakeSocket, fakeElement, tokenWith } from "./fakes.js";
import { answered, server, useFakes } from "./rig.js";

const WHEP = "http://sfu.test/whep/p1";

useFakes();

/** A token of a participant of its own; `exp` can be chosen. */
const tokenOf = (jti, exp = 4e9) =>
  tokenWith({ resource: "arn:s1", jti, topic: "s1", events_url: "ws://sfu.test/events", exp });

test("every connection shows the newest secret that any connection of the participant brought", async () => {
  const token = tokenOf("ann");
  server.expect("POST", WHEP, { status: 201, location: "/c1", resumption: "st-1.first" });
  server.expect("DELETE", "http://sfu.test/c1", { status: 200 });
  const first = watch(WHEP, token, fakeElement());
  await answered(0);
  await first.close();
  assert.equal(server.seen[0].headers["Restage-Resumption"], undefined);

  const events = listen(token);
  assert.deepEqual(FakeSocket.made[0].protocols, [token, "restage-resumption.st-1.first"]);
  FakeSocket.made[0].say({ type: "RESUMPTION", payload: { secret: "st-2.second" } });
  events.close();

  // Another token of the same participant shares the secret; that of another participant does not.
  server.expect("POST", WHEP, { status: 201, location: "/c2" });
  server.expect("DELETE", "http://sfu.test/c2", { status: 200 });
  const second = watch(WHEP, tokenOf("ann", 5e9), fakeElement());
  await answered(1);
  await second.close();
  assert.equal(server.seen[2].headers["Restage-Resumption"], "st-2.second");
  assert.equal(secretOf(tokenOf("bob")), undefined);
});

test("an expired token is not hopeless to a socket that was let in before", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const token = tokenOf("eve", 1);
  const events = listen(token);
  FakeSocket.made[0].say({ type: "RESUMPTION", payload: { secret: "st-1.mac" } });
  FakeSocket.made[0].end(1006);
  assert.equal(events.state, "reconnecting");
  mock.timers.tick(10_000);
  assert.deepEqual(FakeSocket.made[1].protocols, [token, "restage-resumption.st-1.mac"]);
  FakeSocket.made[1].end(4401, "TOKEN_EXPIRED");
  assert.deepEqual([events.state, events.error?.code], ["failed", "TOKEN_EXPIRED"]);
});

test("what is kept is bounded, and nothing that cannot be a secret", () => {
  for (let number = 0; number < 100; number += 1) keepSecret(tokenOf(`p${number}`), `st-1.${number}`);
  assert.equal(secretOf(tokenOf("p0")), undefined);
  assert.equal(secretOf(tokenOf("p99")), "st-1.99");
  for (const nonsense of [undefined, null, 1, "", "a b", "a,b", "a\r\nb"])
    keepSecret(tokenOf("nobody"), nonsense);
  assert.equal(secretOf(tokenOf("nobody")), undefined);
  keepSecret("no token at all", "st-1.x");
  assert.equal(secretOf("no token at all"), "st-1.x");
});
