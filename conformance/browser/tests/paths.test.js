/**
 * Chromium on networks that let little through, and on networks that change. It publishes, watches that in its stage, and
 * watches the replica in another stage; the server is reached at the addresses of a network of namespaces.
 */

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { isInLab, MAPPED_IP, runInLab, whyNoLab } from "../support/lab.js";
import { Paths } from "../support/paths.js";
import { eventuallySeen } from "../support/wait.js";

const SELF = fileURLToPath(import.meta.url);
/** Most milliseconds from the answer until media can flow, on a machine that does nothing else. */
const GOALS_MS = { udp: 50, tcp: 150, relay: 300 };
/** Most milliseconds without a picture when a NAT chooses another port, and when a host has another address. */
const PAUSES_MS = { rebound: 2_000, moved: 3_500 };
/** A busy machine is given this many times as long. */
const PATIENCE = 10;
/** STUN in the clear, which a firewall that lets only TLS through does not let through. */
const CLEAR_STUN = "-p tcp -m string --algo bm --hex-string |2112a442|";
const HTTPS = "-p tcp --dport 443";

/** Over TCP a browser takes the relay if it is sooner, and then stays there. */
const NO_RELAY = { relays: "^none$" };

/**
 * What each network is: its addresses, what the firewall before the server does, and the path that is to be found.
 * @type {{ name: string, what: string, wishes?: object, filter?: (host: any) => void, path: string, goalMs: number }[]}
 */
const NETWORKS = [
  { name: "open", what: "an open network", wishes: { isIpv6: false }, path: "udp", goalMs: GOALS_MS.udp },
  {
    name: "natted",
    what: "a symmetric NAT",
    wishes: { isBehindNat: true },
    path: "udp",
    goalMs: GOALS_MS.udp,
  },
  { name: "six", what: "IPv6 alone", wishes: { isIpv4: false }, path: "udp", goalMs: GOALS_MS.udp },
  {
    name: "noudp",
    what: "no UDP",
    wishes: { isIpv6: false },
    filter: host => host.block("-p udp"),
    path: "tcp",
    goalMs: GOALS_MS.tcp,
  },
  {
    name: "https",
    what: "nothing but port 443",
    wishes: { isBehindNat: true },
    filter: host => host.permitOnly(HTTPS),
    path: "tcp",
    goalMs: GOALS_MS.tcp,
  },
  {
    name: "tls",
    what: "nothing but TLS at port 443",
    wishes: { isIpv6: false },
    filter: host => {
      host.block(CLEAR_STUN);
      host.permitOnly(HTTPS);
    },
    path: "relay by tls",
    goalMs: GOALS_MS.relay,
  },
];

/**
 * Publishes and watches; each connection must soon be connected, and have this path in the end. A browser begins with the
 * first path that it finds, and then changes to the best.
 * @param {string} what
 * @param {import("../support/paths.js").Client} client
 * @param {string} path
 * @param {number} goalMs
 */
async function finds(what, client, path, goalMs) {
  await client.showsItself();
  const seen = await eventuallySeen(
    () => client.paths(),
    all => all.every(one => one.path === path),
    `${what}: ${path}`,
  );
  console.log(`${what}: ${path} after ${seen.map(one => Math.round(one.ms)).join(", ")} ms`);
  for (const { name, ms } of seen) assert.ok(ms < goalMs * PATIENCE, `${what}: ${name} after ${ms} ms`);
  return seen;
}

/** @param {string} what @param {number} pauseMs @param {number} goalMs */
function assertPause(what, pauseMs, goalMs) {
  console.log(`${what}: no picture for ${(pauseMs / 1_000).toFixed(1)} s`);
  assert.ok(pauseMs < goalMs * PATIENCE, `${what}: no picture for ${pauseMs} ms`);
}

if (isInLab()) {
  /** @type {Paths} */
  let paths;
  let served;

  before(async () => {
    paths = await Paths.open();
    served = await paths.serve("browser_paths");
  });
  afterEach(() => paths.leave());
  after(() => paths.close());

  for (const { name, what, wishes, filter, path, goalMs } of NETWORKS) {
    test(what, async () => {
      const client = await paths.client(name, served, wishes);
      // The page comes from a port that may be closed afterwards.
      filter?.(client.host);
      if (path === "tcp") await client.limit(NO_RELAY);
      await finds(what, client, path, goalMs);
    });
  }

  test("the relay alone, by each of its URLs", async () => {
    const client = await paths.client("relayed", served);
    for (const [pattern, by] of [
      ["transport=udp", "udp"],
      ["^turn:.*transport=tcp", "tcp"],
      ["^turns:", "tls"],
    ]) {
      await client.limit({ policy: "relay", relays: pattern });
      await finds("the relay alone", client, `relay by ${by}`, GOALS_MS.relay);
      await client.leave();
    }
  });

  test("a server behind one-to-one NAT", async () => {
    const host = paths.mappedHost;
    const mapped = await paths.serve("browser_paths_mapped", {
      ips: [MAPPED_IP],
      listens: ["0.0.0.0"],
      host,
    });
    const client = await paths.client("outside", mapped);
    const seen = await finds("a server behind NAT", client, "udp", GOALS_MS.udp);
    assert.deepEqual(
      seen.map(one => one.to),
      [MAPPED_IP, MAPPED_IP, MAPPED_IP],
    );
    await client.leave();
    client.host.block("-p udp");
    await client.limit(NO_RELAY);
    await finds("a server behind NAT, no UDP", client, "tcp", GOALS_MS.tcp);
    await client.leave();
    await client.limit({ policy: "relay", relays: "^turns:" });
    await finds("a server behind NAT, the relay alone", client, "relay by tls", GOALS_MS.relay);
  });

  test("a NAT that chooses another port goes on without a new connection", async () => {
    const client = await paths.client("rebound", served, { isBehindNat: true });
    await client.showsItself();
    const pauseMs = await client.during(() => client.host.rebind());
    assertPause("another port of the NAT", pauseMs, PAUSES_MS.rebound);
  });

  test("a viewer and a publisher that get another address go on without a new connection", async () => {
    // Over IPv6 the system goes on sending from an address that the host has no more.
    const [publisher, viewer] = [
      await paths.client("ann", served, { isIpv6: false }),
      await paths.client("bob", served, { isIpv6: false }),
    ];
    await viewer.watch(await publisher.publish());
    assertPause(
      "another address of the viewer",
      await viewer.during(() => viewer.host.move()),
      PAUSES_MS.moved,
    );
    const before = await publisher.page.evaluate("window.read()");
    assertPause(
      "another address of the publisher",
      await viewer.during(() => publisher.host.move()),
      PAUSES_MS.moved,
    );
    const { made } = await publisher.page.evaluate("window.read()");
    assert.equal(made, before.made, "the publisher's connection is the same one");
  });
} else {
  test("in a network of namespaces", { skip: whyNoLab() }, async () => {
    await runInLab(["--test", SELF]);
  });
}
