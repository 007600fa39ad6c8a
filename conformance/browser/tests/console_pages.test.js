/** What holds for every page of the console: axe finds nothing, it fits, the policy is kept, the keyboard suffices. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, test } from "node:test";

import { findings } from "../support/axe.js";
import { openPage } from "../support/browser.js";
import { assertFits, DESKTOP, goTo, idOf, openConsole, PHONE } from "../support/console.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { OUTPUT } from "../support/server.js";
import { eventually } from "../support/wait.js";

/** The narrowest and the widest page. */
const NARROW = { width: 360, height: 740 };
const WIDE = { width: 1920, height: 1080 };

let source;
let destination;
let ann;
let session;

useScene("browser_console_pages", {
  prepare: async () => {
    source = await stages.create("Main-stage");
    destination = await stages.create("Viewers-Berlin");
    ann = await stages.token(source, { userId: "Ann", attributes: { role: "host" } });
    await openPage(browser, site, `card.html#name=Ann&token=${ann.token}`);
    await stages.waitFor(source, ann.participantId, "CONNECTED");
    await stages.replicate(source, destination, ann.participantId, { reconnectWindowSeconds: 60 });
    session = (await stages.list()).find(({ arn }) => arn === source).activeSessionId;
  },
});

/** The publisher's page stays; those of the console go with each test. @type {(() => Promise<void>)[]} */
const closing = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/**
 * @param {string} url
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
async function open(url, options = {}) {
  const opened = await openConsole(browser, url, options);
  closing.push(opened.close);
  return opened;
}

/**
 * Each page: how it is reached, and what is there once it is complete.
 * @type {Record<string, {path: () => string, isThere: (page: import("playwright-core").Page) => Promise<unknown>}>}
 */
const PAGES = {
  stages: {
    path: () => "stages",
    isThere: page => page.locator(".stage .badge[data-role=REPLICA]").waitFor({ state: "attached" }),
  },
  stage: {
    path: () => `stages/${idOf(destination)}`,
    isThere: async page => {
      await page.locator("#connections tbody tr").first().waitFor();
      await page.locator(".tile-stats", { hasText: /fps/ }).first().waitFor();
    },
  },
  replication: {
    path: () => "replication",
    isThere: page => page.locator(".link[data-state=ACTIVE]").waitFor({ state: "attached" }),
  },
  replicas: {
    path: () => "replicas",
    isThere: async page => {
      await page.waitForFunction("document.querySelector('[name=participant]')?.value !== ''");
      await page.getByRole("button", { name: "List replicas" }).click();
      await page.locator("#replicas tbody tr").waitFor();
    },
  },
  // Those with nothing on them; the tests of each page look at it when it has something.
  recordings: { path: () => "recordings", isThere: page => page.locator("#recordings-empty").waitFor() },
  compositions: {
    path: () => "compositions",
    isThere: page => page.locator("#compositions-empty").waitFor(),
  },
  ingest: { path: () => "ingest", isThere: page => page.locator("#ingest-empty").waitFor() },
  keys: { path: () => "keys", isThere: page => page.getByText("No public keys").waitFor() },
  sessions: {
    path: () => `stages/${idOf(source)}/sessions`,
    isThere: page => page.locator("tbody tr").first().waitFor(),
  },
  session: {
    path: () => `stages/${idOf(source)}/sessions/${session}`,
    isThere: page => page.locator("#time-line [data-event]").first().waitFor(),
  },
  participant: {
    path: () => `stages/${idOf(source)}/sessions/${session}/${ann.participantId}`,
    isThere: page => page.locator("#past-replicas tbody tr").first().waitFor(),
  },
  health: {
    path: () => "health",
    isThere: async page => {
      await page.locator("#health-doctor .finding").first().waitFor({ state: "attached" });
      await page.locator("#health-charts polyline").first().waitFor();
    },
  },
  network: {
    path: () => "network",
    isThere: page => page.locator("#network-again:enabled").waitFor(),
  },
  unknown: { path: () => "nothing/here", isThere: page => page.getByText("There is no such page").waitFor() },
};

for (const colorScheme of /** @type {const} */ (["dark", "light"])) {
  for (const [name, { path, isThere }] of Object.entries(PAGES)) {
    test(`axe finds nothing on the page “${name}”, and it fits: ${colorScheme}`, async () => {
      const { page, problems } = await open(await server.consoleUrl(), {
        viewport: DESKTOP,
        colorScheme,
      });
      await page.locator("nav").waitFor();
      await goTo(page, path());
      await isThere(page);
      assert.deepEqual(await findings(page), []);
      await page.screenshot({ path: join(OUTPUT, `console-${name}-${colorScheme}.png`), fullPage: true });
      for (const viewport of [WIDE, PHONE, NARROW]) {
        await page.setViewportSize(viewport);
        await assertFits(page);
      }
      assert.deepEqual(await findings(page), [], "on a phone");
      await page.screenshot({
        path: join(OUTPUT, `console-${name}-${colorScheme}-phone.png`),
        fullPage: true,
      });
      assert.deepEqual(problems, []);
    });
  }

  test(`axe finds nothing where one signs in, and in dialogs: ${colorScheme}`, async () => {
    const { page } = await open(`${server.url}/console/`, { colorScheme });
    await page.locator("#key-form").waitFor();
    assert.deepEqual(await findings(page), []);
    await page.getByLabel("Console key, or the whole address").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("does not take this key").waitFor();
    assert.deepEqual(await findings(page), [], "after a refusal");
    for (const viewport of [WIDE, NARROW]) {
      await page.setViewportSize(viewport);
      await assertFits(page);
    }
    await page.goto(await server.consoleUrl());
    await page.locator("nav").waitFor({ state: "attached" });
    for (const name of ["Token for Main-stage", "Delete Main-stage"]) {
      await page.getByRole("button", { name }).click();
      await page.getByRole("dialog").waitFor();
      assert.deepEqual(await findings(page), [], name);
      await assertFits(page);
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    }
    await page.getByRole("button", { name: "Publish from here" }).click();
    assert.deepEqual(await findings(page), [], "publishing");
  });
}

test("the theme follows the system until somebody chooses", async () => {
  const { page } = await open(await server.consoleUrl(), { colorScheme: "light" });
  const theme = () => page.evaluate("getComputedStyle(document.documentElement).colorScheme");
  assert.equal(await theme(), "light");
  await page.emulateMedia({ colorScheme: "dark" });
  await eventually(async () => (await theme()) === "dark", "it follows");
  await page.getByRole("button", { name: "Use the light theme" }).click();
  assert.equal(await theme(), "light");
  await page.reload();
  await page.locator("nav").waitFor();
  assert.equal(await theme(), "light", "the choice outlives a reload");
  await page.getByRole("button", { name: "Use the dark theme" }).click();
  await page.emulateMedia({ colorScheme: "light" });
  await eventually(async () => (await theme()) === "light", "it follows again");
});

test("the policy permits no inline script or style, and the page needs none", async () => {
  const answer = await fetch(`${server.url}/console/`);
  const policy = answer.headers.get("content-security-policy") ?? "";
  assert.match(policy, /^default-src 'self';/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(answer.headers.get("cache-control"), "no-cache");
  const text = await answer.text();
  assert.doesNotMatch(text, /<style|style=|<script(?![^>]*\bsrc=)/);
  const names = [...text.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(found => found[1]);
  assert.ok(names.length >= 2, text);
  for (const name of names) {
    const file = await fetch(`${server.url}/console/${name}`);
    assert.equal(file.status, 200, name);
    assert.match(file.headers.get("cache-control") ?? "", /immutable/);
    assert.match(file.headers.get("content-security-policy") ?? "", /default-src 'self'/);
  }
  const { page, problems } = await open("about:blank");
  await page.addInitScript(() => {
    const broken = [];
    Object.assign(window, { broken });
    document.addEventListener("securitypolicyviolation", event => broken.push(event.violatedDirective));
  });
  await page.goto(await server.consoleUrl());
  await page.locator("nav").waitFor();
  for (const { path, isThere } of Object.values(PAGES)) {
    await goTo(page, path());
    await isThere(page);
  }
  assert.deepEqual(await page.evaluate("window.broken"), []);
  assert.deepEqual(problems, []);
});

test("a page is reached by keyboard, says its title, and has the focus", async () => {
  const { page } = await open(await server.consoleUrl());
  await page.locator("nav").waitFor();
  const focused = () => page.evaluate("document.activeElement?.innerText?.trim() ?? ''");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the page");
  const link = page.getByRole("link", { name: "Replication" });
  for (let presses = 0; presses < 20 && (await focused()) !== "Replication"; presses++) {
    await page.keyboard.press("Tab");
  }
  assert.ok(await link.evaluate(each => each === document.activeElement), "the navigation is soon reached");
  await page.keyboard.press("Enter");
  await eventually(async () => (await focused()) === "Replication", "the heading has the focus");
  assert.equal(await link.getAttribute("aria-current"), "page");
  assert.equal(await page.title(), "Replication · restage");
  await page.goBack();
  await eventually(async () => (await page.title()) === "Stages · restage", "back to the stages");
});

test("nothing moves while the page loads", async () => {
  const { page } = await open("about:blank");
  await page.addInitScript(() => {
    Object.assign(window, { shift: 0 });
    new PerformanceObserver(list => {
      for (const entry of /** @type {any[]} */ (list.getEntries())) {
        if (!entry.hadRecentInput) /** @type {any} */ (window).shift += entry.value;
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(await server.consoleUrl());
  await page.locator("nav").waitFor();
  for (const [name, { path, isThere }] of Object.entries(PAGES)) {
    await page.evaluate("window.shift = 0");
    await goTo(page, path());
    await isThere(page);
    // What the web's own measure calls good is 0.1 for a page.
    const shift = Number(await page.evaluate("window.shift"));
    assert.ok(shift < 0.1, `layout shift ${shift} of ${name}`);
  }
});
