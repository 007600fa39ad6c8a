/** The package as it is installed: its files in node_modules of a project, beside the AWS SDK. */

import { spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), "..");
const SDK = join(PACKAGE, "../../conformance/sdk-js/node_modules/@aws-sdk");

/** A directory with the package installed in it. */
export function project() {
  const directory = mkdtempSync(join(tmpdir(), "restage-testing-js-"));
  const modules = join(directory, "node_modules");
  const target = join(modules, "@restage/testing");
  mkdirSync(target, { recursive: true });
  const { files } = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8"));
  for (const name of ["package.json", ...files]) {
    if (existsSync(join(PACKAGE, name))) {
      cpSync(join(PACKAGE, name), join(target, name), { recursive: true });
    }
  }
  symlinkSync(SDK, join(modules, "@aws-sdk"));
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }\n');
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/**
 * Runs a program of the project.
 * @param {{ directory: string }} project
 * @param {string} text
 */
export function run({ directory }, text, args = [], more = {}) {
  const file = join(directory, "main.js");
  writeFileSync(file, text);
  const environment = { ...process.env, ...more };
  // Of the runner that runs this test: a runner within it would report to that one.
  delete environment.NODE_TEST_CONTEXT;
  const child = spawn(process.execPath, [...args, file], { cwd: directory, env: environment });
  let out = "";
  const collect = data => {
    out += data;
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const ended = new Promise(resolve => {
    child.once("close", code => resolve({ code, out }));
  });
  return { child, ended, output: () => out };
}

/** Waits for a state, with a deadline. */
export async function eventually(check, what) {
  const endsAt = Date.now() + 20_000;
  while (!check()) {
    if (Date.now() > endsAt) {
      throw new Error(`not within 20 s: ${what}`);
    }
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

/** Whether there is such a process, that has not ended yet. */
export function isRunning(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1][0] !== "Z";
  } catch {
    return false;
  }
}
