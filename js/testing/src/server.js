/** A server of one's own: started on free ports, with its data in a temporary directory. */

import { execFile } from "node:child_process";
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";

import { Child, pause, tail } from "./child.js";
import { makeEmpty } from "./empty.js";
import { ServerError, told } from "./error.js";
import { Publisher } from "./publisher.js";
import { checkOwned, toml } from "./settings.js";

const BINARY_VARIABLE = "RESTAGE_BINARY";
const PROGRAM = "restage";
const START_MS = 30_000;
const STOP_MS = 20_000;
const COMMAND_MS = 30_000;
const READY_MS = 5_000;
const POLL_MS = 20;
const LOG_LINES = 60;
// Port 0 is a free one, which the server finds itself.
const ANY_PORT = "127.0.0.1:0";
// Commits need not wait for the disk, because the data does not outlive the tests.
const DEFAULTS = { "media-port": 0, "sqlite-sync": "normal" };
// What the SDK would take from the environment, as it is without one.
const SDK_DEFAULTS = {
  defaultsMode: /** @type {const} */ ("legacy"),
  maxAttempts: 3,
  retryMode: "standard",
  useDualstackEndpoint: false,
  useFipsEndpoint: false,
};
const NOT_STARTED = "the server was not started, or was stopped: start() starts it, with nothing in it";
// Variables that name a proxy, and what is asked without one, in both spellings that programs read.
const PROXY_VARIABLES = ["http_proxy", "https_proxy", "all_proxy"];
const NO_PROXY_VARIABLES = ["no_proxy", "NO_PROXY"];

/**
 * @typedef {object} Options
 * @property {import("./settings.js").Settings} [settings] Lines of restage.toml. `data-dir` and `http` are made here.
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

/**
 * The variables by which programs ask the host directly, if this process's environment names a proxy.
 * @param {string} host
 * @returns {{ [name: string]: string }}
 */
function withoutProxy(host) {
  if (!PROXY_VARIABLES.some(name => process.env[name] || process.env[name.toUpperCase()])) {
    return {};
  }
  const hosts = NO_PROXY_VARIABLES.map(name => process.env[name]).find(Boolean) ?? "";
  const all = hosts.trim() === "*" ? hosts : [hosts, host].filter(Boolean).join(",");
  return Object.fromEntries(NO_PROXY_VARIABLES.map(name => [name, all]));
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
  #http = ANY_PORT;
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
    const given = Object.entries(settings).filter(([, value]) => value !== undefined);
    /** @type {import("./settings.js").Settings} */
    this.#settings = { ...DEFAULTS, ...Object.fromEntries(given) };
    this.#binary = binary;
    this.#isKept = directory !== undefined;
    this.#startTimeoutMs = startTimeoutMs;
  }

  /** Starts it, and returns when it takes requests. */
  async start() {
    if (this.#child !== undefined) {
      throw new ServerError("the server was started before");
    }
    checkOwned(this.#settings);
    const binary = findBinary(this.#binary);
    running.add(this);
    try {
      this.#child = this.#serve(binary);
      await this.#ready();
      this.#named = JSON.parse(await this.command("env", "--output", "json"));
    } catch (error) {
      await this.#abandon();
      throw error;
    }
    return this;
  }

  /**
   * Makes the directory and the configuration, and runs the program.
   * @param {string} binary
   */
  #serve(binary) {
    // First what may be refused without a directory.
    const settings = toml(this.#settings);
    let file;
    try {
      this.directory ||= mkdtempSync(join(tmpdir(), "restage-testing-"));
      mkdirSync(this.dataDir, { recursive: true, mode: 0o700 });
      // That of a server that was killed would say where it was.
      rmSync(join(this.dataDir, "server.json"), { force: true });
      file = join(this.directory, "restage.toml");
      writeFileSync(file, toml({ "data-dir": this.dataDir, http: this.#http }) + settings);
    } catch (error) {
      const cure = this.#isKept ? "give another `directory`" : "set TMPDIR to one that can be written";
      throw error instanceof ServerError
        ? error
        : new ServerError(`cannot use the directory for the server's data: ${told(error)}; ${cure}`);
    }
    return new Child([binary, "serve", "--config", file], {
      environment: { ...cleanEnvironment(), RUST_BACKTRACE: "1" },
      output: join(this.directory, "server.out"),
      log: this.logFile,
      remove: this.#isKept ? undefined : this.directory,
    });
  }

  async #ready() {
    const endsAt = Date.now() + this.#startTimeoutMs;
    for (;;) {
      this.#checkRunning("did not start");
      this.#url = this.#announced() ?? "";
      // With TLS the address may lead elsewhere, and its certificate is the caller's: being announced has to do.
      if (this.#url.startsWith("https:") || (this.#url && (await isReady(this.#url)))) {
        return;
      }
      if (Date.now() > endsAt) {
        throw new ServerError(this.#failure(`was not ready within ${this.#startTimeoutMs} ms`));
      }
      await pause(POLL_MS);
    }
  }

  /**
   * Where the server says that this machine reaches it, once it does. Its public URL may lead elsewhere.
   * @returns {string | undefined}
   */
  #announced() {
    try {
      const said = JSON.parse(readFileSync(join(this.dataDir, "server.json"), "utf8"));
      return said.pid === this.#child?.pid ? (said.local ?? said.url) : undefined;
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
    this.#http = ANY_PORT;
    this.#removeDirectory();
  }

  /** Takes back a start that failed. The data of a server that ran before stays until `stop()`. */
  async #abandon() {
    const child = this.#child;
    this.#child = undefined;
    await child?.end(STOP_MS);
    if (this.#http === ANY_PORT) {
      running.delete(this);
      this.#removeDirectory();
    }
  }

  /**
   * Ends it, by SIGKILL with `kill`, and starts it again at the same address with the same data. One that has ended by
   * itself, or that a test has killed, is started again too.
   * @param {{ kill?: boolean }} [options]
   */
  async restart({ kill = false } = {}) {
    const child = this.#child;
    if (child === undefined) {
      throw new ServerError(NOT_STARTED);
    }
    if (kill) {
      child.kill();
    }
    await child.end(STOP_MS);
    this.#child = undefined;
    // A public URL with TLS does not say where the server listens.
    if (this.#url.startsWith("http:") || !("public-url" in this.#settings)) {
      this.#http = this.#url.split("://")[1] || ANY_PORT;
    }
    await this.start();
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
      throw new ServerError(NOT_STARTED);
    }
    if (this.#child.refusal) {
      throw new ServerError(this.#child.refusal);
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

  /** What `new IVSRealTimeClient(…)` takes. The client then takes nothing from the environment. */
  get clientConfig() {
    return { ...SDK_DEFAULTS, endpoint: this.endpoint, region: this.region, credentials: this.credentials };
  }

  /**
   * The variables with which every AWS SDK, the AWS CLI and `restage` use this server.
   * @returns {{ [name: string]: string }}
   */
  get environment() {
    this.#checkRunning();
    const own = {
      AWS_ENDPOINT_URL_IVS_REALTIME: this.#url,
      AWS_REGION: this.region,
      AWS_DEFAULT_REGION: this.region,
      RESTAGE_DATA_DIR: this.dataDir,
    };
    return { ...this.#named, ...own, ...withoutProxy(new URL(this.#url).hostname) };
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
    // In one word, because a value may begin with a hyphen.
    const whose = userId === undefined ? [] : [`--user-id=${userId}`];
    const binary = findBinary(this.#binary);
    const command = [binary, "publish", `--stage=${stage}`, ...whose, "--output=json", ...more];
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
    const binary = findBinary(this.#binary);
    try {
      return (await promisify(execFile)(binary, words, options)).stdout;
    } catch (error) {
      const { code, stderr } = /** @type {{ code?: number | string, stderr?: string }} */ (error);
      const why = typeof code === "number" ? `ended with ${code}: ${stderr?.trim()}` : told(error);
      throw new ServerError(`restage ${words.join(" ")}: ${why}`);
    }
  }
}

/**
 * Whether the server answers. It is on this machine: an agent of its own takes no proxy, as fetch and the global agent may.
 * @param {string} url
 * @returns {Promise<boolean>}
 */
function isReady(url) {
  return new Promise(found => {
    const request = get(`${url}/readyz`, { agent: new Agent(), timeout: READY_MS }, answer => {
      answer.resume();
      found(answer.statusCode === 200);
    });
    request.once("timeout", () => request.destroy());
    request.once("error", () => found(false));
  });
}

/**
 * Starts a server, and returns when it takes requests.
 * @param {Options} [options]
 */
export async function startServer(options) {
  return new RestageServer(options).start();
}
