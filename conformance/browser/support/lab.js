/**
 * A network of several hosts on this machine: namespaces, each joined to the server's by a veth pair.
 *
 * The test runs itself in a network namespace and a mount namespace of its own ({@link runInLab}). That is the server's
 * host; every further host is a namespace whose name exists in there alone. So all of it disappears with the last process,
 * also after a crash.
 */

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ROOT } from "./server.js";

/** The one address of the server, whatever host looks at it. */
export const SERVER_IP = "10.77.0.1";
export const SERVER_IP6 = "fd77::1";

/** Names what is in the lab already. */
const INSIDE = "RESTAGE_TEST_LAB";
const WIRE = join(ROOT, "conformance", "python", "support", "wire.py");
const PYTHON = join(ROOT, ".venv", "bin", "python");

/** The token bucket of a throttled link: what passes at once, and how long the queue before it may be. */
const [BURST, QUEUE_MS] = ["10kb", 300];

/** Runs a program and returns what it prints. */
function run(/** @type {string} */ line) {
  const [program, ...args] = line.split(" ");
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Why this machine cannot make such a network, or nothing. */
function missing() {
  if (process.getuid?.() !== 0) return "not root";
  for (const [command, source] of [
    ["unshare", "util-linux"],
    ["iptables", "iptables"],
    ["ip", "iproute2"],
    ["tc", "iproute2"],
  ]) {
    if (spawnSync("which", [command]).status !== 0)
      return `there is no ${command} (Debian package ${source})`;
  }
  const probe = spawnSync("unshare", ["--net", "--mount", "true"], { encoding: "utf8" });
  return probe.status === 0 ? undefined : `unshare: ${probe.stderr.trim()}`;
}

/** Whether this process is in the lab. */
export const isInLab = () => process.env[INSIDE] !== undefined;

/** Why there can be no lab, or nothing; says so, and fails in CI, where nothing is skipped. */
export function whyNoLab() {
  const lacking = missing();
  if (lacking) console.log(`skipped: a network of namespaces cannot be made here: ${lacking}`);
  assert.ok(!lacking || !process.env.CI, `CI has all that this needs, but ${lacking}`);
  return lacking;
}

/**
 * Runs a file of this program in the lab, and fails if it does.
 * @param {string[]} args Of Node: flags, the file, and what it is given.
 */
export async function runInLab(args) {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const script =
    "mkdir -p /run/netns && mount -t tmpfs lab /run/netns && ip link set lo up && " +
    `ip addr add ${SERVER_IP}/32 dev lo && ip addr add ${SERVER_IP6}/128 dev lo && exec "$0" "$@"`;
  const inside = spawn(
    "unshare",
    ["--net", "--mount", "--propagation", "private", "sh", "-c", script, process.execPath, ...args],
    { stdio: ["ignore", "inherit", "inherit"], env: { ...environment, [INSIDE]: "1" } },
  );
  const [code] = await once(inside, "exit");
  assert.equal(code, 0, "it has failed in the lab");
}

/** Gives the server's end of a host's link its addresses. @param {Host} host */
function addGateway(host) {
  run(`ip addr add ${host.gateway}/24 dev ${host.link}`);
  run(`ip addr add fd77:${host.number}::1/64 dev ${host.link} nodad`);
  run(`ip link set ${host.link} up`);
}

/** The hosts of one test. */
export class Lab {
  /** @type {Host[]} */
  hosts = [];

  static async open() {
    const lab = new Lab();
    lab.directory = await mkdtemp(join(tmpdir(), "restage-lab-"));
    return lab;
  }

  /**
   * A further host. Its link to the server's end is called as it is, and so can be throttled there.
   * @param {string} name At most eight letters.
   * @param {{ isIpv4?: boolean }} [wishes] Whether it has IPv4 besides IPv6.
   */
  async host(name, { isIpv4 = true } = {}) {
    const host = new Host(name, this.hosts.length + 1);
    this.hosts.push(host);
    run(`ip netns add ${name}`);
    run(`ip link add ${host.link} type veth peer name ether netns ${name}`);
    addGateway(host);
    host.run("ip link set lo up");
    if (isIpv4) host.run(`ip addr add ${host.ip}/24 dev ether`);
    host.run(`ip addr add ${host.ip6}/64 dev ether nodad`);
    host.run("ip link set ether up");
    if (isIpv4) host.run(`ip route add default via ${host.gateway}`);
    host.run(`ip -6 route add default via fd77:${host.number}::1`);
    host.chromium = join(this.directory, `chromium-${name}`);
    const browser = process.env.CHROMIUM ?? "/usr/bin/chromium";
    await writeFile(host.chromium, `#!/bin/sh\nexec ip netns exec ${name} ${browser} "$@"\n`);
    await chmod(host.chromium, 0o755);
    return host;
  }

  async close() {
    for (const host of this.hosts) {
      host.wire?.kill();
      run(`ip link del ${host.link}`);
      run(`ip netns del ${host.name}`);
      if (host.wire) run(`ip netns del wire${host.number}`);
    }
    await rm(this.directory, { recursive: true });
  }
}

/** A host with one link, which leads to the server. */
export class Host {
  /** @type {import("node:child_process").ChildProcess | undefined} What delays and loses packets on the link. */
  wire;
  /** @type {string} A program that starts Chromium on this host. */
  chromium = "";
  #isThrottled = false;

  /** @param {string} name @param {number} number */
  constructor(name, number) {
    Object.assign(this, { name, number });
    this.link = `to-${name}`;
    this.gateway = `10.77.${number}.1`;
    this.ip = `10.77.${number}.2`;
    this.ip6 = `fd77:${number}::2`;
  }

  /** Runs a program on this host. @param {string} line */
  run(line) {
    return run(`ip netns exec ${this.name} ${line}`);
  }

  /**
   * What the link carries towards the host from now on.
   * @param {number | undefined} bps Without it: everything.
   * @param {number} [queueMs] How long a packet waits at most.
   */
  throttle(bps, queueMs = QUEUE_MS) {
    if (bps === undefined) {
      if (this.#isThrottled) run(`tc qdisc del dev ${this.link} root`);
    } else {
      run(
        `tc qdisc ${this.#isThrottled ? "change" : "add"} dev ${this.link} root tbf rate ${bps}bit burst ${BURST} latency ${queueMs}ms`,
      );
    }
    this.#isThrottled = bps !== undefined;
  }

  /** What the throttled link has been given, in bytes, and what waits there; lost packets count as full ones. */
  carried() {
    const [bucket] = JSON.parse(run(`tc -s -j qdisc show dev ${this.link} root`));
    const given = bucket.bytes + (bucket.backlog ?? 0) + (bucket.drops ?? 0) * 1_200;
    return { at: Date.now(), given, waiting: bucket.backlog ?? 0, drops: bucket.drops ?? 0 };
  }

  /**
   * Delays every packet on the link, both ways, and loses some, by a program between the link's two halves.
   * @param {{ delayMs: number, jitterMs?: number, lossPercent: number, seed: number }} wishes One way.
   */
  async impair({ delayMs, jitterMs = 0, lossPercent, seed }) {
    const between = `wire${this.number}`;
    const enter = `ip netns exec ${between}`;
    run(`ip netns add ${between}`);
    run(`ip link set ${this.link} netns ${between}`);
    run(`ip link add ${this.link} type veth peer name far netns ${between}`);
    for (const end of [this.link, "far"]) run(`${enter} ip link set ${end} up`);
    addGateway(this);
    // Packets are to arrive whole, as they go over a real link.
    run(`${PYTHON} ${WIRE} ${this.link}`);
    this.run(`${PYTHON} ${WIRE} ether`);
    const wire = [PYTHON, WIRE, this.link, "far", ...[delayMs, jitterMs, lossPercent, seed].map(String)];
    this.wire = spawn("ip", ["netns", "exec", between, ...wire], { stdio: ["ignore", "pipe", "inherit"] });
    await once(/** @type {import("node:stream").Readable} */ (this.wire.stdout), "data");
  }
}
