/** The console from an address that is not loopback: there a browser gives its camera only to pages over TLS. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { launch } from "../support/browser.js";
import { openConsole } from "../support/console.js";
import { Server } from "../support/server.js";
import { Stages } from "../support/stages.js";

const own = Object.values(networkInterfaces())
  .flat()
  .find(address => address?.family === "IPv4" && !address.internal)?.address;
// A machine without a network has no such address.
const skip = own ? false : "this machine has no address besides loopback";
assert.ok(own || !process.env.CI, `CI has all that this needs, but ${skip}`);

/** @type {Server} */
let server;
/** @type {Stages} */
let stages;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {string} */
let directory;

before(async () => {
  if (skip) return;
  directory = await mkdtemp(join(tmpdir(), "restage-tls-"));
  const [cert, key] = ["cert.pem", "key.pem"].map(name => join(directory, name));
  const kind = ["-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"];
  const names = ["-subj", "/CN=restage", "-addext", `subjectAltName=IP:${own}`];
  await promisify(execFile)("openssl", ["req", ...kind, ...names, "-keyout", key, "-out", cert]);
  server = await Server.start("browser_encrypted", own, {
    scheme: "https",
    listens: "0.0.0.0",
    flags: ["--tls-cert", cert, "--tls-key", key],
  });
  stages = await Stages.of(server);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  if (directory) await rm(directory, { recursive: true });
});

test("a page that was opened without TLS is sent to it, and publishes", { skip }, async () => {
  const arn = await stages.create("Encrypted");
  const address = await server.consoleUrl();
  assert.ok(address.startsWith(`https://${own}:`), address);
  const { page, problems } = await openConsole(browser, address.replace("https:", "http:"), {
    ignoreHTTPSErrors: true,
    permissions: ["camera", "microphone"],
  });
  assert.ok(page.url().startsWith(`https://${own}:${server.httpPort}/console/`), page.url());
  assert.equal(await page.evaluate("window.isSecureContext"), true);
  await page.getByRole("button", { name: "Token for Encrypted" }).click();
  const dialog = page.getByRole("dialog", { name: "Token for Encrypted" });
  await dialog.getByLabel(/User id/).fill("Ann");
  await dialog.getByRole("button", { name: "Make token" }).click();
  await dialog.getByRole("button", { name: /Publish with it/ }).click();
  await page.getByRole("button", { name: "Publish camera and microphone" }).click();
  await page.getByText("Ann is live").waitFor();
  const [participant] = await stages.participants(arn);
  assert.equal(participant.userId, "Ann");
  assert.deepEqual(problems, []);
});
