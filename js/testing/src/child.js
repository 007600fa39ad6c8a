/** Programs that end when the process that started them ends, however that happens. */

import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";

// Reads from a pipe that only this process can write to. Its end is the end of this process, also after `kill -9`.
const WATCH = `
read -r _
kill -KILL "$1" 2>/dev/null
tries=0
while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
[ -z "$2" ] || rm -rf "$2"
`;

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
    this.process = spawn(command[0], command.slice(1), options);
    files.forEach(closeSync);
    /** @type {number | string | null} */
    this.code = null;
    /** @type {Promise<number | string>} */
    this.ended = new Promise(resolve => {
      /** @param {number | string} code */
      const end = code => {
        this.code = code;
        resolve(code);
      };
      this.process.once("error", error => end(error.message));
      this.process.once("exit", (code, signal) => end(code ?? signal ?? "unknown"));
    });
    this.process.unref();
    const arguments_ = ["-c", WATCH, "restage-testing", String(this.process.pid ?? 0), remove];
    this.watcher = spawn("/bin/sh", arguments_, { stdio: ["pipe", "ignore", "ignore"], detached: true });
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
