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

/** The id of a stage. @param {string} arn */
export const idOf = arn => arn.slice(arn.lastIndexOf("/") + 1);

/**
 * Goes to another page of an open console, such as `replication`.
 * @param {import("playwright-core").Page} page
 * @param {string} path
 */
export async function goTo(page, path) {
  await page.evaluate(hash => {
    location.hash = hash;
  }, `#/${path}`);
  await page.waitForFunction(hash => location.hash === hash, `#/${path}`);
}

/**
 * Opens the console at the page of a stage.
 * @param {import("playwright-core").Browser} browser
 * @param {string} url
 * @param {string} arn
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function openStage(browser, url, arn, options = {}) {
  const opened = await openConsole(browser, url, options);
  await goTo(opened.page, `stages/${idOf(arn)}`);
  await opened.page.getByRole("heading", { name: "Participants" }).waitFor();
  return opened;
}

/**
 * Opens a page of the console by its own address, signed in with the console's key.
 * @param {import("playwright-core").Browser} browser
 * @param {import("./server.js").Server} server
 * @param {string} path Such as `recordings`.
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function openConsolePage(browser, server, path, options) {
  const opened = await openConsole(browser, await server.consoleUrl(), options);
  await opened.page.locator("#navigation").waitFor({ state: "attached" });
  await goTo(opened.page, path);
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
    // What is wide on purpose scrolls in a frame of its own; so does the picture of replications.
    const wide = [...document.body.querySelectorAll("*")].filter(
      element =>
        isSeen(element) &&
        !element.closest("pre, .graph") &&
        element.getBoundingClientRect().right > width + 0.5,
    );
    return {
      // Room for a scroll bar is kept on pages that do not need one.
      page: Math.max(0, document.documentElement.scrollWidth - width),
      wide: wide.map(element => element.className || element.tagName),
    };
  });
  assert.deepEqual(overflow, { page: 0, wide: [] });
}
