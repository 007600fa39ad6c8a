/** A server of one's own: started on free ports, with its data in a temporary directory. */

import { execFile } from "node:child_process";
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";

import { Child, pause, tail } from "./child.js";
import { makeEmpty } from "./empty.js";
import { ServerError } from "./error.js";
import { Publisher } from "./publisher.js";
import { toml } from "./settings.js";

const BINARY_VARIABLE = "RESTAGE_BINARY";
const PROGRAM = "restage";
const START_MS = 30_000;
const STOP_MS = 20_000;
const COMMAND_MS = 30_000;
const READY_MS = 5_000;
const POLL_MS = 20;
const LOG_LINES = 60;
// Port 0 is a free one, which the server finds itself. Commits need not wait for the disk, because the data does not
// outlive the tests.
const DEFAULTS = { http: "127.0.0.1:0", "media-port": 0, "sqlite-sync": "normal" };

/**
 * @typedef {object} Options
 * @property {import("./settings.js").Settings} [settings] Lines of restage.toml.
 * @property {string} [binary] The program. Not set: that of RESTAGE_BINARY, or `restage` of PATH.
 * @property {string} [directory] Where data and log go, and stay. Not set: a temporary directory, which is removed.
 * @property {string} [region] That of `clientConfig` and `environment`. Not set: us-east-1.
 * @property {number} [startTimeoutMs] How long a start may take. Not set: 30,000.
 */

/**
 * The path of the program.
 * @param {string | undefined} binary
 */
function findBinary(binary) {
  const wanted = binary ?? (process.env[BINARY_VARIABLE] || PROGRAM);
  const places = wanted.includes("/") ? [""] : (process.env.PATH ?? "").split(delimiter);
  for (const place of places) {
    const path = resolve(place, wanted);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next one.
    }
  }
  throw new ServerError(
    `there is no program '${wanted}': install restage so that PATH has it, or set ${BINARY_VARIABLE} to its path`,
  );
}

/**
 * This process's environment without what configures restage or an AWS client.
 * @returns {{ [name: string]: string }}
 */
function cleanEnvironment() {
  const kept = Object.entries(process.env).filter(([name]) => !/^(RESTAGE|AWS)_/.test(name));
  const none = { AWS_CONFIG_FILE: "/dev/null", AWS_SHARED_CREDENTIALS_FILE: "/dev/null" };
  return /** @type {{ [name: string]: string }} */ ({ ...Object.fromEntries(kept), ...none });
}

// Servers that run, which end with this process.
/** @type {Set<RestageServer>} */
const running = new Set();
process.on("exit", () => {
  for (const server of running) {
    server.kill();
  }
});

/** A server process. `startServer()` makes one. */
export class RestageServer {
  #settings;
  #binary;
  #isKept;
  #startTimeoutMs;
  /** @type {Child | undefined} */
  #child;
  /** @type {Publisher[]} */
  #publishers = [];
  #url = "";
  /** @type {{ [name: string]: string }} */
  #named = {};

  /** @param {Options} [options] */
  constructor({ settings = {}, binary, directory, region = "us-east-1", startTimeoutMs = START_MS } = {}) {
    this.region = region;
    /** Where its data, its configuration and its log are. */
    this.directory = directory === undefined ? "" : resolve(directory);
    this.#settings = { ...DEFAULTS, ...settings };
    this.#binary = binary;
    this.#isKept = directory !== undefined;
    this.#startTimeoutMs = startTimeoutMs;
  }

  /** Starts it, and returns when it takes requests. */
  async start() {
    if (this.#child !== undefined) {
      throw new ServerError("the server was started before");
    }
    const binary = findBinary(this.#binary);
    this.directory ||= mkdtempSync(join(tmpdir(), "restage-testing-"));
    mkdirSync(this.dataDir, { recursive: true, mode: 0o700 });
    const file = join(this.directory, "restage.toml");
    writeFileSync(file, toml({ "data-dir": this.dataDir, ...this.#settings }));
    // That of a server that was killed would say where it was.
    rmSync(join(this.dataDir, "server.json"), { force: true });
    this.#child = new Child([binary, "serve", "--config", file], {
      environment: { ...cleanEnvironment(), RUST_BACKTRACE: "1" },
      output: join(this.directory, "server.out"),
      log: this.logFile,
      remove: this.#isKept ? undefined : this.directory,
    });
    running.add(this);
    try {
      await this.#ready();
      this.#named = JSON.parse(await this.command("env", "--output", "json"));
    } catch (error) {
      await this.stop();
      throw error;
    }
    return this;
  }

  async #ready() {
    const endsAt = Date.now() + this.#startTimeoutMs;
    for (;;) {
      this.#checkRunning("did not start");
      this.#url = this.#announced() ?? "";
      if (this.#url && (await isReady(this.#url))) {
        return;
      }
      if (Date.now() > endsAt) {
        throw new ServerError(this.#failure(`was not ready within ${this.#startTimeoutMs} ms`));
      }
      await pause(POLL_MS);
    }
  }

  /**
   * The address that the server has written down, once it has.
   * @returns {string | undefined}
   */
  #announced() {
    try {
      const said = JSON.parse(readFileSync(join(this.dataDir, "server.json"), "utf8"));
      return said.pid === this.#child?.pid ? said.url : undefined;
    } catch {
      return undefined;
    }
  }

  /** Ends it and its publishers, and removes its data unless `directory` was given. May be called twice. */
  async stop() {
    await this.#stopPublishers();
    const child = this.#child;
    this.#child = undefined;
    running.delete(this);
    await child?.end(STOP_MS);
    this.#removeDirectory();
  }

  /** Ends it at once and without waiting. */
  kill() {
    for (const publisher of this.#publishers) {
      publisher.kill();
    }
    this.#child?.kill();
    running.delete(this);
    this.#removeDirectory();
  }

  #removeDirectory() {
    if (!this.#isKept && this.directory) {
      rmSync(this.directory, { recursive: true, force: true });
      this.directory = "";
    }
  }

  async #stopPublishers() {
    const publishers = this.#publishers.splice(0);
    await Promise.all(publishers.map(publisher => publisher.stop()));
  }

  /** `await using server = await startServer()`. */
  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    await this.stop();
  }

  /** @param {string} [what] */
  #checkRunning(what = "ended by itself") {
    if (this.#child === undefined) {
      throw new ServerError("the server was not started, or was stopped");
    }
    if (this.#child.code !== null) {
      throw new ServerError(this.#failure(`${what}: exit code ${this.#child.code}`));
    }
  }

  /** @param {string} what */
  #failure(what) {
    const log = this.log().replace(/^/gm, "    ");
    return `restage ${what}\n  command: ${this.#child?.command.join(" ")}\n  the end of its log:\n${log}`;
  }

  get pid() {
    return this.#child?.pid;
  }

  get dataDir() {
    return join(this.directory, "data");
  }

  get logFile() {
    return join(this.directory, "server.log");
  }

  /** What SDKs take as endpoint: `http://127.0.0.1:…`. */
  get endpoint() {
    this.#checkRunning();
    return this.#url;
  }

  /** The key of the default account, which may call every operation. */
  get credentials() {
    this.#checkRunning();
    return { accessKeyId: this.#named.AWS_ACCESS_KEY_ID, secretAccessKey: this.#named.AWS_SECRET_ACCESS_KEY };
  }

  /** What `new IVSRealTimeClient(…)` takes. */
  get clientConfig() {
    return { endpoint: this.endpoint, region: this.region, credentials: this.credentials };
  }

  /**
   * The variables with which every AWS SDK, the AWS CLI and `restage` use this server.
   * @returns {{ [name: string]: string }}
   */
  get environment() {
    this.#checkRunning();
    const region = { AWS_REGION: this.region, AWS_DEFAULT_REGION: this.region };
    return { ...this.#named, ...region, RESTAGE_DATA_DIR: this.dataDir };
  }

  /**
   * The last lines of its log.
   * @param {number} [lines]
   */
  log(lines = LOG_LINES) {
    return tail(this.logFile, lines);
  }

  /**
   * A client of `@aws-sdk/client-ivs-realtime`, which has to be installed.
   * @param {string} [region]
   * @returns {Promise<import("@aws-sdk/client-ivs-realtime").IVSRealTimeClient>}
   */
  async client(region = this.region) {
    const sdk = await import("@aws-sdk/client-ivs-realtime");
    return new sdk.IVSRealTimeClient({ ...this.clientConfig, region });
  }

  /**
   * Removes all that the Region has, stages, configurations, keys, and ends what `publish` has started. It needs
   * `@aws-sdk/client-ivs-realtime`.
   * @param {string} [region]
   */
  async reset(region = this.region) {
    await this.#stopPublishers();
    const client = await this.client(region);
    try {
      await makeEmpty(client, await import("@aws-sdk/client-ivs-realtime"));
    } finally {
      client.destroy();
    }
  }

  /**
   * Publishes a test card with a beep into a stage (ARN, name or id), and returns when media flows.
   * @param {string} stage
   * @param {{ userId?: string, region?: string, arguments?: string[] }} [options]
   *   `arguments`: what else `restage publish` takes, such as files.
   */
  async publish(stage, { userId, region = this.region, arguments: more = [] } = {}) {
    this.#checkRunning();
    const whose = userId === undefined ? [] : ["--user-id", userId];
    const command = [
      findBinary(this.#binary),
      "publish",
      "--stage",
      stage,
      ...whose,
      "--output",
      "json",
      ...more,
    ];
    const environment = { ...this.#environmentOfCommands(), AWS_REGION: region };
    const publisher = new Publisher(command, { environment, directory: this.directory });
    this.#publishers.push(publisher);
    return publisher.published();
  }

  #environmentOfCommands() {
    return { ...cleanEnvironment(), RESTAGE_DATA_DIR: this.dataDir, AWS_REGION: this.region };
  }

  /**
   * What `restage …` prints, run against this server.
   * @param {string[]} words
   */
  async command(...words) {
    this.#checkRunning();
    const options = { env: this.#environmentOfCommands(), timeout: COMMAND_MS };
    const { stdout } = await promisify(execFile)(findBinary(this.#binary), words, options);
    return stdout;
  }
}

/** @param {string} url */
async function isReady(url) {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(READY_MS) })).status === 200;
  } catch {
    return false;
  }
}

/**
 * Starts a server, and returns when it takes requests.
 * @param {Options} [options]
 */
export function startServer(options) {
  return new RestageServer(options).start();
}
