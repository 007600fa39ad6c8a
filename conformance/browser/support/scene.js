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
 * Starts all of it before the file's tests and stops it after them. To be called before the file registers hooks of its own.
 * @param {string} name Of the server's log in conformance/output.
 * @param {{ flags?: string[], closesPages?: boolean }} [wishes] Flags of the browser; whether every test's pages are closed
 *   after it.
 */
export function useScene(name, { flags = [], closesPages = false } = {}) {
  before(async () => {
    server = await Server.start(name);
    site = await Site.open();
    stages = await Stages.of(server);
    browser = await launch({ flags });
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
