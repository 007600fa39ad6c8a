/** What the tests of a file share: a server, a site of our own, and a browser. Node runs each file in a process of its own. */

import { after, afterEach, before } from "node:test";

import { launch, Site } from "./browser.js";
import { Server } from "./server.js";
import { Stages } from "./stages.js";

/** @type {Server} */
export let server;
/** @type {Site} */
export let site;
/** @type {Stages} */
export let stages;
/** @type {import("playwright-core").Browser} */
export let browser;

/**
 * Starts all of it before the file's tests and stops it after them.
 * @param {string} name Of the server's log in conformance/output.
 * @param {{ flags?: string[], closesPages?: boolean, prepare?: () => Promise<void> }} [wishes] Flags of the browser; whether
 *   every test's pages are closed after it; what else is to be done once all of it runs (Node starts a second `before` of a
 *   file while the first one goes on).
 */
export function useScene(name, { flags = [], closesPages = false, prepare = async () => {} } = {}) {
  before(async () => {
    server = await Server.start(name);
    site = await Site.open();
    stages = await Stages.of(server);
    browser = await launch({ flags });
    await prepare();
  });
  if (closesPages) {
    afterEach(async () => {
      for (const context of browser.contexts()) await context.close();
    });
  }
  after(async () => {
    await browser?.close();
    await site?.close();
    await server?.stop();
  });
}
