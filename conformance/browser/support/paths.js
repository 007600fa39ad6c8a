/** A server with TLS at port 443 of a lab, and browsers on hosts of their own that publish and watch. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { launch, openPage, Site } from "./browser.js";
import { Lab, MAPPED_IP, PUBLIC_IP, SERVER_IP6 } from "./lab.js";
import { Server } from "./server.js";
import { Stages } from "./stages.js";
import { eventuallySeen } from "./wait.js";

/** Pictures that a viewer must have been shown. */
const PICTURES = 20;
/** Until then, on a busy machine. */
const FLOW_MS = 40_000;
/** A viewer of the source stage, and one of the stage that it is replicated to. */
const VIEWERS = /** @type {const} */ (["viewer", "replica"]);

/** The lab, its server, and what the clients share. */
export class Paths {
  /** @type {Client[]} */
  #clients = [];
  /** @type {Server[]} */
  #servers = [];

  static async open() {
    const paths = new Paths();
    paths.directory = await mkdtemp(join(tmpdir(), "restage-paths-"));
    paths.lab = await Lab.open();
    paths.mappedHost = await paths.lab.mappedHost("server");
    const [certificate, key] = [join(paths.directory, "c.pem"), join(paths.directory, "k.pem")];
    const names = [PUBLIC_IP, SERVER_IP6, MAPPED_IP, paths.mappedHost.ip].map(ip => `IP:${ip}`).join();
    execFileSync("openssl", [
      ...[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
      ],
      ...["-subj", "/CN=restage", "-addext", `subjectAltName=${names}`, "-keyout", key, "-out", certificate],
    ]);
    paths.tls = ["--tls-cert", certificate, "--tls-key", key];
    paths.site = await Site.open({ host: "::" });
    return paths;
  }

  /** A server that is reached at these addresses, which are those of its listeners if none are given. */
  async serve(/** @type {string} */ name, { ips = [PUBLIC_IP, SERVER_IP6], listens = ips, host } = {}) {
    const authority = ip => (ip.includes(":") ? `[${ip}]` : ip);
    const flags = [
      ...listens.flatMap(ip => ["--http", `${authority(ip)}:443`]),
      ...ips.flatMap(ip => ["--media-ip", ip]),
      ...["--public-url", `https://${ips[0]}`],
      ...this.tls,
    ];
    const server = await Server.start(name, undefined, { flags, host, listens: host?.ip });
    this.#servers.push(server);
    const ca = await readFile(this.tls[1], "utf8");
    const endpoint = `https://${host?.ip ?? ips[0]}`;
    const stages = await Stages.of(server, undefined, { endpoint, ca });
    return { stages, urls: ips.map(ip => `https://${authority(ip)}`) };
  }

  /**
   * A browser on a host of its own, which uses the first of the server's URLs, or the second over IPv6 alone.
   * @param {string} name
   * @param {{ stages: Stages, urls: string[] }} served
   * @param {Parameters<Lab["host"]>[1]} [wishes]
   */
  async client(name, { stages, urls }, wishes = {}) {
    const host = await this.lab.host(name, wishes);
    const at = host.families.isIpv4 ? PUBLIC_IP : `[${SERVER_IP6}]`;
    const { port } = /** @type {import("node:net").AddressInfo} */ (this.site.server.address());
    const origin = `http://${at}:${port}`;
    const browser = await launch({
      isLoopbackUsed: false,
      executablePath: host.chromium,
      flags: [`--unsafely-treat-insecure-origin-as-secure=${origin}`, "--ignore-certificate-errors"],
    });
    const client = new Client({ host, browser, stages, url: urls[host.families.isIpv4 ? 0 : 1] });
    this.#clients.push(client);
    await client.open(origin);
    return client;
  }

  /** Ends the clients, not their hosts. */
  async leave() {
    for (const client of this.#clients.splice(0)) await client.close();
  }

  async close() {
    await this.leave();
    await this.site.close();
    for (const server of this.#servers) await server.stop();
    await this.lab.close();
    await rm(this.directory, { recursive: true });
  }
}

/** One browser and its page. */
export class Client {
  /** @param {{ host: import("./lab.js").Host, browser: any, stages: Stages, url: string }} parts */
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** @param {string} origin */
  async open(origin) {
    this.page = await openPage(this.browser, { origin }, "paths.html");
    await this.page.waitForFunction("window.read !== undefined");
  }

  /** Publishes in a stage, and lets it be replicated to another. */
  async publish() {
    const [source, destination] = [
      await this.stages.create("source"),
      await this.stages.create("destination"),
    ];
    const { participantId, token } = await this.stages.token(source, { userId: "ann" });
    await this.#call("startPublishing", "publisher", `${this.url}/whip`, token);
    await this.stages.waitFor(source, participantId, "CONNECTED");
    await this.stages.replicate(source, destination, participantId);
    return { participantId, stages: [source, destination] };
  }

  /**
   * Watches in both stages until pictures have come.
   * @param {Awaited<ReturnType<Client["publish"]>>} shown
   */
  async watch({ participantId, stages }) {
    for (const [place, name] of VIEWERS.entries()) {
      const { token } = await this.stages.token(stages[place], { capabilities: ["SUBSCRIBE"] });
      await this.#call("startWatching", name, `${this.url}/whep/${participantId}`, token);
    }
    return await this.shown(PICTURES);
  }

  /** Publishes, watches it in both stages, and returns how each is connected. */
  async showsItself() {
    return await this.watch(await this.publish());
  }

  /** The path of each connection in words, where it leads, and how soon after the answer it was there. */
  async paths() {
    const seen = await this.page.evaluate("window.read()");
    return ["publisher", ...VIEWERS].map(name => {
      const { path, ms } = seen[name];
      const words = path.type === "relay" ? `relay by ${path.relay}` : path.protocol;
      return { name, ms, path: words, to: path.to };
    });
  }

  /** Ends its sessions. */
  async leave() {
    await this.page.evaluate("window.leave()");
  }

  /**
   * Waits until both viewers have been shown so many pictures.
   * @param {number} pictures
   */
  async shown(pictures) {
    const isEnough = seen => VIEWERS.every(name => seen[name].frames >= pictures);
    return await eventuallySeen(() => this.page.evaluate("window.read()"), isEnough, "pictures", FLOW_MS);
  }

  /** Limits the connections of the page; see pages/paths.js. @param {{ policy?: string, relays: string }} wishes */
  async limit(wishes) {
    await this.#call("limit", wishes);
  }

  /**
   * Changes something while pictures come, and waits until they come again.
   * @param {() => void} change
   * @returns {Promise<number>} How long the longest pause was, in milliseconds.
   */
  async during(change) {
    const { viewer, replica, made } = await this.page.evaluate("window.read()");
    await this.page.evaluate("window.takeLongest()");
    change();
    const after = await this.shown(Math.max(viewer.frames, replica.frames) + 2 * PICTURES);
    assert.equal(after.made, made, "the connections are the same ones");
    const longest = await this.page.evaluate("window.takeLongest()");
    return Math.max(...VIEWERS.map(name => longest[name]));
  }

  /** @param {string} name @param {...any} given */
  #call(name, ...given) {
    return this.page.evaluate(([called, wishes]) => window[called](...wishes), [name, given]);
  }

  async close() {
    await this.page?.evaluate("window.leave()");
    await this.browser.close();
  }
}
