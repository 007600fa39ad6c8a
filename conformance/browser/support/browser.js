/** Debian's Chromium with fake devices, and a site whose origin is not the server's. */

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";

import { chromium } from "playwright-core";

import { ROOT } from "./server.js";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

const FLAGS = [
  "--no-sandbox",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
];
// Needed on a machine whose only network is loopback.
const LOOPBACK = "--allow-loopback-in-peer-connection";

/** Where the site has the modules of js/client. */
const CLIENT = "/client/";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/**
 * @param {{ isLoopbackUsed?: boolean, flags?: string[], executablePath?: string }} [wishes] People's browsers gather no candidate on loopback;
 * flags
 *   come besides those all tests need; another program may start it elsewhere.
 */
export function launch({ isLoopbackUsed = true, flags = [], executablePath = EXECUTABLE } = {}) {
  const args = [...FLAGS, ...(isLoopbackUsed ? [LOOPBACK] : []), ...flags];
  return chromium.launch({ executablePath, headless: true, args });
}

/** Serves the test pages and the client like a customer's site, from an origin of its own. */
export class Site {
  /** @param {{ host?: string }} [wishes] The address at which it listens, and is reached by other hosts. */
  static async open({ host } = {}) {
    const site = new Site();
    site.server = createServer(async (request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://site");
      const name = pathname.slice(pathname.lastIndexOf("/") + 1);
      // The client is built into modules; all else is a page of the tests.
      const path = pathname.startsWith(CLIENT)
        ? join(ROOT, "js/client/dist", pathname.slice(CLIENT.length))
        : join(ROOT, "conformance/browser/pages", name);
      const text = await readFile(path).catch(() => undefined);
      response.writeHead(text ? 200 : 404, { "Content-Type": TYPES[extname(path)] ?? "text/plain" });
      response.end(text);
    }).listen(0, host ?? "127.0.0.1");
    await once(site.server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (site.server.address());
    // localhost and 127.0.0.1 are two origins, and both are secure contexts.
    site.origin = `http://${host ?? "localhost"}:${port}`;
    return site;
  }

  async close() {
    this.server.closeAllConnections?.();
    this.server.close();
    await once(this.server, "close");
  }
}

/**
 * A page of the site; its errors fail the test.
 * @param {import("playwright-core").Browser} browser
 * @param {Site} site
 * @param {string} path With parameters in its fragment.
 */
export async function openPage(browser, site, path) {
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", error => console.error(`page error: ${error}`));
  await page.goto(`${site.origin}/${path}`);
  return page;
}

/**
 * What a page's connection does: see `StatsReader` in js/client.
 * @param {import("playwright-core").Page} page
 */
export const statsOf = page => page.evaluate("window.readStats()");
