/** The console in a page of its own. */

import assert from "node:assert/strict";

export const DESKTOP = { width: 1280, height: 790 };
export const PHONE = { width: 390, height: 844 };

/**
 * Opens the console and collects its errors.
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function openConsole(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, deviceScaleFactor: 1, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  /** @type {string[]} */
  const problems = [];
  page.on("pageerror", error => problems.push(`${error}`));
  page.on("console", message => {
    if (message.type() === "error") problems.push(`${message.text()} ${message.location().url}`);
  });
  await page.goto(url);
  return { page, problems, close: () => context.close() };
}

/**
 * Opens a page of the console by its own address, signed in with the console's key.
 * @param {import("playwright-core").Browser} browser
 * @param {import("./server.js").Server} server
 * @param {string} hash Such as `#/recordings`.
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function openConsolePage(browser, server, hash, options) {
  const opened = await openConsole(browser, await server.consoleUrl(), options);
  await opened.page.locator("#navigation").waitFor({ state: "attached" });
  await opened.page.evaluate(to => {
    location.hash = to;
  }, hash);
  return opened;
}

/**
 * Asserts that nothing is wider than the window, and that no word of a row is outside it.
 * @param {import("playwright-core").Page} page
 */
export async function assertFits(page) {
  const overflow = await page.evaluate(() => {
    const width = window.innerWidth;
    const isSeen = element => element.getClientRects().length > 0;
    const wide = [...document.body.querySelectorAll("*")].filter(
      element => isSeen(element) && element.getBoundingClientRect().right > width + 0.5,
    );
    return {
      // Room for a scroll bar is kept on pages that do not need one.
      page: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      wide: wide.map(element => element.className || element.tagName),
    };
  });
  assert.deepEqual(overflow, { page: 0, wide: [] });
}
