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
/**
 * Another one, from a block for documentation (RFC 5737). Chromium opens no connection for media to a port below 1,024 of a
 * private address.
 */
export const PUBLIC_IP = "203.0.113.1";
/** The address of a server behind one-to-one NAT, which its host does not have. */
export const MAPPED_IP = "203.0.113.2";

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
    `for ip in ${SERVER_IP}/32 ${PUBLIC_IP}/32 ${SERVER_IP6}/128; do ip addr add $ip dev lo; done && exec "$0" "$@"`;
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
  run(`ip addr add ${host.gateway6}/64 dev ${host.link} nodad`);
  run(`ip link set ${host.link} up`);
}

/** Lets the network namespace in which this process is, or another one, pass packets on. @param {string} [enter] */
function makeRouter(enter = "") {
  run(`${enter}sysctl -q -w net.ipv4.ip_forward=1`.trim());
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
   * @param {{ isIpv4?: boolean, isIpv6?: boolean, isBehindNat?: boolean }} [wishes] Which addresses it has; whether a
   *   symmetric NAT is between it and the server, for IPv4.
   */
  async host(name, { isIpv4 = true, isIpv6 = true, isBehindNat = false } = {}) {
    const host = new Host(name, this.hosts.length + 1, { isIpv4, isIpv6: isIpv6 && !isBehindNat });
    this.hosts.push(host);
    run(`ip netns add ${name}`);
    if (isBehindNat) host.addNat();
    else run(`ip link add ${host.link} type veth peer name ether netns ${name}`);
    addGateway(host);
    // An address that is only checked whether it is free changes the network once more, and browsers end their requests.
    host.run("sysctl -q -w net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.ether.accept_dad=0");
    host.run("ip link set lo up");
    host.run("ip link set ether up");
    host.addAddresses();
    host.chromium = join(this.directory, `chromium-${name}`);
    const browser = process.env.CHROMIUM ?? "/usr/bin/chromium";
    await writeFile(host.chromium, `#!/bin/sh\nexec ip netns exec ${name} ${browser} "$@"\n`);
    await chmod(host.chromium, 0o755);
    return host;
  }

  /** A host for a server behind one-to-one NAT: others reach it at {@link MAPPED_IP}, and see it there. @param {string} name */
  async mappedHost(name) {
    const host = await this.host(name, { isIpv6: false });
    makeRouter();
    run(`iptables -t nat -A PREROUTING -d ${MAPPED_IP} -j DNAT --to-destination ${host.ip}`);
    run(`iptables -t nat -A POSTROUTING -s ${host.ip} -j SNAT --to-source ${MAPPED_IP}`);
    return host;
  }

  async close() {
    for (const host of this.hosts) {
      host.wire?.kill();
      run(`ip link del ${host.link}`);
      run(`ip netns del ${host.name}`);
      if (host.wire) run(`ip netns del wire${host.number}`);
      if (host.nat) run(`ip netns del ${host.nat}`);
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
  /** The namespace of the NAT between the host and the server. */
  nat = "";
  #isThrottled = false;
  /** The last part of its addresses, another one after each {@link move}. */
  #last = 2;

  /** @param {string} name @param {number} number @param {{ isIpv4: boolean, isIpv6: boolean }} families */
  constructor(name, number, families) {
    Object.assign(this, { name, number, families });
    this.link = `to-${name}`;
    this.gateway = `10.77.${number}.1`;
    this.gateway6 = `fd77:${number}::1`;
  }

  /** The network that the host is in: behind a NAT another one than the server sees. */
  get #network() {
    return this.nat ? `192.168.${this.number}` : `10.77.${this.number}`;
  }

  get ip() {
    return `${this.#network}.${this.#last}`;
  }

  get ip6() {
    return `fd77:${this.number}::${this.#last}`;
  }

  /** Gives the host's end its addresses, and the ways out. */
  addAddresses() {
    if (this.families.isIpv4) {
      this.run(`ip addr add ${this.ip}/24 dev ether`);
      this.run(`ip route replace default via ${this.#network}.1`);
    }
    if (this.families.isIpv6) {
      this.run(`ip addr add ${this.ip6}/64 dev ether nodad`);
      this.run(`ip -6 route replace default via ${this.gateway6}`);
    }
  }

  /** Takes the host's addresses away and gives it others, as when it goes from one network to another. */
  move() {
    this.run("ip addr flush dev ether scope global");
    this.#last += 1;
    this.addAddresses();
  }

  /** Puts a NAT at the host's link, which gives each flow another port, at random. */
  addNat() {
    this.nat = `gate${this.number}`;
    const enter = `ip netns exec ${this.nat} `;
    run(`ip netns add ${this.nat}`);
    run(`ip link add ${this.link} type veth peer name outer netns ${this.nat}`);
    run(`${enter}ip link add inner type veth peer name ether netns ${this.name}`);
    run(`${enter}ip addr add ${this.#network}.1/24 dev inner`);
    for (const end of ["lo", "inner", "outer"]) run(`${enter}ip link set ${end} up`);
    this.#addOuter();
    run(`${enter}iptables -t nat -A POSTROUTING -o outer -j MASQUERADE --random`);
    makeRouter(enter);
  }

  #addOuter() {
    const enter = `ip netns exec ${this.nat} `;
    run(`${enter}ip addr add 10.77.${this.number}.2/24 dev outer`);
    run(`${enter}ip route add default via ${this.gateway}`);
  }

  /** The NAT forgets all flows: each gets another port with its next packet from within. */
  rebind() {
    // Flows end with the address that they have been given.
    run(`ip netns exec ${this.nat} ip addr flush dev outer scope global`);
    this.#addOuter();
  }

  /**
   * Of what the host sends to the server, only what one of these matches arrives from now on.
   * @param {...string} matches Of iptables.
   */
  permitOnly(...matches) {
    for (const match of matches) this.#filter(`${match} -j ACCEPT`);
    this.block("");
  }

  /** Drops what matches, of what the host sends to the server. @param {string} match Of iptables. */
  block(match) {
    this.#filter(`${match} -j DROP`);
  }

  /** @param {string} rule */
  #filter(rule) {
    // A server behind one-to-one NAT is on another host than this one.
    for (const chain of ["INPUT", "FORWARD"])
      run(`iptables -A ${chain} -i ${this.link} ${rule}`.replaceAll(/ +/g, " "));
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
