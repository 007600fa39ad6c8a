/** Programs that end when the process that started them ends, however that happens. */

import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

import { ServerError, told } from "./error.js";

// Reads from a pipe that only this process can write to. Its end is the end of this process, also after `kill -9`. A
// process with the id is the program only if it was started when the program was ($2): the system gives ids of ended
// programs to others.
const WATCH = `
lives() {
    stat="$(cat "/proc/$1/stat" 2>/dev/null)" || return 1
    set -- "$2" \${stat##*) }
    [ "$2" != Z ] && [ "\${21}" = "$1" ]
}
read -r _
lives "$1" "$2" && kill -KILL "$1" 2>/dev/null
tries=0
while lives "$1" "$2" && [ "$tries" -lt 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
[ -z "$3" ] || rm -rf "$3"
`;

/**
 * What kills that process when its standard input ends, and then removes the directory.
 * @param {number | undefined} pid
 * @param {string} started
 * @param {string} remove
 */
export function watchCommand(pid, started, remove) {
  return ["/bin/sh", "-c", WATCH, "restage-testing", String(pid ?? ""), started, remove];
}

/**
 * When the process was started, in ticks since the boot; empty if there is none that runs.
 * @param {number | undefined} pid
 * @returns {string}
 */
export function startedAt(pid) {
  try {
    const [state, ...fields] = readFileSync(`/proc/${pid}/stat`, "utf8").split(/.*\) /s)[1].split(" ");
    return state === "Z" ? "" : fields[18];
  } catch {
    return "";
  }
}

/**
 * Runs a program.
 * @param {string[]} command
 * @param {import("node:child_process").SpawnOptions} options
 */
function run([program, ...words], options) {
  try {
    return spawn(program, words, options);
  } catch (error) {
    // Most reasons come as an event; a file that is no program is thrown.
    throw new ServerError(`cannot run ${program}: ${told(error)}`);
  }
}

/** A program whose output goes into files. It does not keep this process alive. */
export class Child {
  /**
   * @param {string[]} command
   * @param {{ environment: { [name: string]: string }, output: string, log: string, remove?: string }} options
   *   `remove`: a directory that is removed too if this process is killed; otherwise the caller removes it.
   */
  constructor(command, { environment, output, log, remove = "" }) {
    this.command = command;
    this.output = output;
    this.log = log;
    const files = [openSync(output, "a"), openSync(log, "a")];
    // A process group of its own: Ctrl-C in a terminal reaches the tests, and they end the program.
    const options = { stdio: /** @type {any} */ (["ignore", ...files]), env: environment, detached: true };
    try {
      this.process = run(command, options);
    } finally {
      files.forEach(closeSync);
    }
    /** @type {number | string | null} */
    this.code = null;
    /** Why the system does not run the program, once that is known. */
    this.refusal = "";
    /** @type {Promise<number | string>} */
    this.ended = new Promise(resolve => {
      /** @param {number | string} code */
      const end = code => {
        this.code = code;
        resolve(code);
      };
      this.process.once("error", error => {
        this.refusal = `cannot run ${command[0]}: ${error.message}`;
        end(error.message);
      });
      this.process.once("exit", (code, signal) => end(code ?? signal ?? "unknown"));
    });
    this.process.unref();
    const watch = watchCommand(this.pid, startedAt(this.pid), remove);
    this.watcher = run(watch, { stdio: ["pipe", "ignore", "ignore"], detached: true });
    // That there is no shell is no reason to fail: only what outlives this process stays.
    this.watcher.on("error", () => {});
    this.watcher.unref();
    /** @type {import("node:net").Socket} */ (/** @type {unknown} */ (this.watcher.stdin)).unref();
  }

  get pid() {
    return this.process.pid;
  }

  /**
   * SIGTERM, and SIGKILL if it takes longer than that.
   * @param {number} timeoutMs
   */
  async end(timeoutMs) {
    if (this.code !== null) {
      this.watcher.kill("SIGKILL");
      return this.code;
    }
    this.process.ref();
    this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), timeoutMs);
    const code = await this.ended;
    clearTimeout(timer);
    this.watcher.kill("SIGKILL");
    return code;
  }

  /** SIGKILL, at once and without waiting: for the end of this process. */
  kill() {
    if (this.code === null) {
      this.process.kill("SIGKILL");
    }
    this.watcher.kill("SIGKILL");
  }
}

/**
 * The last lines of a file.
 * @param {string} path
 * @param {number} lines
 */
export function tail(path, lines) {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}

/**
 * @param {number} ms
 * @returns {Promise<void>}
 */
export const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
