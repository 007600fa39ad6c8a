/** The real binary on free ports, with its data in a directory of the test. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { eventually } from "./wait.js";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
export const OUTPUT = join(ROOT, "conformance", "output");

const START_MS = 30_000;

/**
 * Ports that servers under test get: below those that the system gives to connections, of which one could be taken while
 * a server restarts, and above those of conformance/python/support/ports.py, whose tests may run at the same time.
 */
const PORTS = { first: 25_000, count: 7_000 };
const PORT_TRIES = 100;

/**
 * A port of 127.0.0.1 that nobody uses.
 * @param {(port: number) => { close(): unknown } & import("node:events").EventEmitter} bind Takes a port.
 */
async function freePort(bind) {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    const probe = bind(port);
    const isBound = await once(probe, "listening").then(
      () => true,
      () => false,
    );
    if (!isBound) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
  throw new Error(`none of ${PORT_TRIES} ports was free`);
}

/** A TCP port that nobody listens at. */
export function freeTcpPort() {
  return freePort(port => createServer().listen(port, "127.0.0.1"));
}

/** A UDP port that nobody listens at. */
export function freeUdpPort() {
  return freePort(port => createSocket("udp4").bind(port, "127.0.0.1"));
}

/** This process's environment without variables that configure restage or an AWS client. */
function cleanEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(RESTAGE|AWS)_/.test(name)));
}

export class Server {
  /** @type {string[]} */
  log = [];

  /**
   * @param {string} name Of its log in conformance/output.
   * @param {string} [publicHost] What clients are told to reach it by.
   * @param {{ scheme?: string, listens?: string, flags?: string[], host?: import("./lab.js").Host }} [wishes] How they
   *   reach it; where it listens; further flags of `serve`; the host of a lab on which it runs, if not on this one.
   */
  static async start(name, publicHost, { scheme = "http", listens = "127.0.0.1", flags = [], host } = {}) {
    const server = new Server();
    Object.assign(server, { publicHost, scheme, listens, flags, host });
    await mkdir(OUTPUT, { recursive: true });
    server.name = name;
    server.dataDir = await mkdtemp(join(tmpdir(), "restage-"));
    server.httpPort = await freeTcpPort();
    server.url = `http://${host?.ip ?? "127.0.0.1"}:${server.httpPort}`;
    server.mediaPort = await freeUdpPort();
    await rm(server.#logFile, { force: true });
    await server.resume();
    // Kills the server when the test run ends early.
    process.once("exit", () => server.process.kill("SIGKILL"));
    return server;
  }

  /** Starts it, at first and after {@link pause}, with the same ports and data. */
  async resume() {
    this.log = [];
    const binary = process.env.RESTAGE_BINARY ?? join(ROOT, "target", "debug", "restage");
    const http = `${this.listens}:${this.httpPort}`;
    const [program, ...before] = this.host ? ["ip", "netns", "exec", this.host.name, binary] : [binary];
    this.process = spawn(
      program,
      [
        ...before,
        "serve",
        "--data-dir",
        this.dataDir,
        "--http",
        http,
        "--media-port",
        `${this.mediaPort}`,
        ...this.#publicUrl,
        ...this.flags,
      ],
      { stdio: ["ignore", "ignore", "pipe"], env: cleanEnvironment() },
    );
    this.#keepLog(createWriteStream(this.#logFile, { flags: "a" }));
    await eventually(() => this.#isReady(), "the server is ready", START_MS);
  }

  get #publicUrl() {
    return this.publicHost ? ["--public-url", `${this.scheme}://${this.publicHost}:${this.httpPort}`] : [];
  }

  get #logFile() {
    return join(OUTPUT, `${this.name}.log`);
  }

  /** @param {import("node:fs").WriteStream} copy */
  #keepLog(copy) {
    let rest = "";
    this.process.stderr.setEncoding("utf8");
    this.process.stderr.on("data", text => {
      copy.write(text);
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.log.push(...lines);
    });
    this.process.stderr.on("close", () => copy.end());
  }

  async #isReady() {
    assert.equal(this.process.exitCode, null, `serve ended at once:\n${this.log.join("\n")}`);
    if (!this.log.some(line => line.includes("ready"))) return false;
    const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
    return answer?.status === 200;
  }

  /** The console's URL with its key, from the file that has it; the server prints it only on a terminal. */
  async consoleUrl() {
    const { console: address } = JSON.parse(await readFile(join(this.dataDir, "server.json"), "utf8"));
    assert.match(address, /^https?:\/\/\S+\/console\/#key=[\w-]+$/);
    return address;
  }

  async credentials() {
    const text = await readFile(join(this.dataDir, "credentials"), "utf8");
    const value = name => text.match(new RegExp(`^${name}\\s*=\\s*(\\S+)`, "m"))?.[1] ?? "";
    return { accessKeyId: value("aws_access_key_id"), secretAccessKey: value("aws_secret_access_key") };
  }

  async stop() {
    await this.pause();
    await rm(this.dataDir, { recursive: true });
  }

  /** kill -9; its data stays. */
  async crash() {
    const exit = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exit;
  }

  /** Stops the server as an operator would; its data stays. */
  async pause() {
    const exit = once(this.process, "exit");
    assert.equal(this.process.exitCode, null, "serve had ended before");
    this.process.kill("SIGTERM");
    const [code] = await exit;
    assert.equal(code, 0, `serve ended with ${code}:\n${this.log.slice(-40).join("\n")}`);
    assert.deepEqual(
      this.log.filter(line => line.includes("panicked at")),
      [],
    );
  }
}
