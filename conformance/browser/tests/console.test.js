/** The page of a stage in the console: source and replica side by side, in dark, in light and on a phone. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { openPage } from "../support/browser.js";
import { assertFits, DESKTOP, goTo, idOf, openStage, PHONE } from "../support/console.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { OUTPUT } from "../support/server.js";
import { eventually } from "../support/wait.js";

let source;
let destination;
let ann;

useScene("browser_console", {
  prepare: async () => {
    source = await stages.create("Main-stage");
    destination = await stages.create("Viewers-Berlin");
    ann = await stages.token(source, { userId: "Ann", attributes: { role: "host" } });
    await openPage(browser, site, `card.html#name=Ann&token=${ann.token}`);
    await stages.waitFor(source, ann.participantId, "CONNECTED");
    await stages.replicate(source, destination, ann.participantId, {
      reconnectWindowSeconds: 60,
      attributes: { place: "left" },
    });
  },
});

/**
 * @param {{width: number, height: number}} viewport
 * @param {"dark" | "light"} colorScheme
 */
async function open(viewport, colorScheme) {
  return openStage(browser, await server.consoleUrl(), destination, { viewport, colorScheme });
}

/** Waits until both tiles say that they play, with a picture size. */
async function waitForPair(page) {
  await eventually(
    async () => (await page.locator(".tile[data-state=live]").count()) === 2,
    "two tiles are live",
  );
  await eventually(async () => {
    const texts = await page.locator(".tile-stats").allInnerTexts();
    return texts.every(text => /\d+ × \d+ · \d+ fps/.test(text));
  }, "both tiles show size and rate");
  await eventually(
    async () =>
      (await page
        .locator("meter")
        .evaluateAll(meters => Math.min(...meters.map(each => Number(each.value))))) > 0,
    "both meters move",
  );
}

test("source and replica play side by side without a click", async () => {
  const { page, problems, close } = await open(DESKTOP, "dark");
  await waitForPair(page);
  assert.deepEqual(await page.locator(".tile .badge").allInnerTexts(), ["SOURCE", "REPLICA"]);
  assert.equal(
    await page.locator(".tile[data-role=REPLICA] .tile-where").innerText(),
    "in Viewers-Berlin, replicated from Main-stage",
  );
  assert.ok(!page.url().includes("key="), "the key is taken out of the address");
  const [left, right] = await page
    .locator(".tile")
    .evaluateAll(tiles => tiles.map(each => each.getBoundingClientRect().toJSON()));
  assert.ok(left.right <= right.left && left.top === right.top, "side by side");
  // A browser starts with a low rate and raises it as it measures the path.
  await eventually(
    async () => (await page.locator(".tile-stats").allInnerTexts()).every(text => /^(960|1280) ×/.test(text)),
    "both pictures have grown",
    60_000,
  );
  await page.screenshot({ path: join(OUTPUT, "console.png") });
  assert.deepEqual(problems, []);
  await close();
});

test("the light theme", async () => {
  const { page, problems, close } = await open(DESKTOP, "light");
  await waitForPair(page);
  await page.screenshot({ path: join(OUTPUT, "console-light.png") });
  assert.deepEqual(problems, []);
  await close();
});

test("a phone", async () => {
  const { page, problems, close } = await open(PHONE, "dark");
  await waitForPair(page);
  await assertFits(page);
  // The navigation unfolds from its button, and folds when a page is chosen.
  const pages = page.getByRole("navigation", { name: "Pages" });
  assert.ok(await pages.isHidden());
  await page.getByRole("button", { name: "Pages" }).click();
  await assertFits(page);
  await pages.getByRole("link", { name: "Replication" }).click();
  await page.getByRole("heading", { name: "Replication", exact: true }).waitFor();
  assert.ok(await pages.isHidden());
  await goTo(page, `stages/${idOf(destination)}`);
  await waitForPair(page);
  await page.screenshot({ path: join(OUTPUT, "console-phone.png"), fullPage: true });
  assert.deepEqual(problems, []);
  await close();
});

test("the list marks the replica and says where it is from", async () => {
  const { page, close } = await open(DESKTOP, "dark");
  const row = page.locator(".participant[data-role=REPLICA]");
  await row.waitFor();
  assert.equal(await row.locator(".badge").innerText(), "REPLICA");
  const detail = await row.locator(".participant-detail").innerText();
  assert.match(detail, /from Main-stage/);
  assert.match(detail, /place: left/);
  await goTo(page, "stages");
  const stage = page.locator(`.stage[data-stage="${destination}"]`);
  assert.match(await stage.innerText(), /1 publishing.*Ann\s+REPLICA/s);
  const summary = await page.locator("#summary").innerText();
  assert.match(summary, /2 stages, 1 publisher, 1 live replica/);
  await close();
});

test("the server's figures of each connection are on the page", async () => {
  const { page, close } = await openStage(browser, await server.consoleUrl(), source);
  const row = page.locator("#connections tbody tr", { hasText: "publishes" });
  await row.waitFor();
  assert.match(await row.innerText(), /Ann\s+publishes\s+sound OPUS .*\d+ × \d+ H264 .*b\/s/s);
  const own = page.locator("#connections tbody tr", { hasText: "console" });
  await eventually(
    async () => (await own.allInnerTexts()).some(text => /watches Ann.*of \d.*UDP/s.test(text)),
    "estimate and path of the viewer",
  );
  await page.locator(".tile-link", { hasText: /estimate .*b\/s · round trip/ }).waitFor();
  await close();
});

test("of a viewer that decodes no picture, the path is not said to be narrow", async () => {
  const { token } = await stages.token(source, { userId: "Olga", capabilities: ["SUBSCRIBE"] });
  const watches = `role=watch&url=${server.url}&participant=${ann.participantId}&token=${token}`;
  const viewer = await openPage(browser, site, `peer.html#${watches}&only=VP8,opus`);
  const { page, close } = await openStage(browser, await server.consoleUrl(), source);
  const row = page.locator("#connections tbody tr", { hasText: "Olga" });
  await row.getByText("no picture", { exact: true }).waitFor();
  assert.doesNotMatch(await row.innerText(), /narrow/);
  // Those who publish are listed before those who watch.
  assert.match(await page.locator("#connections tbody tr").first().innerText(), /publishes/);
  await viewer.close();
  await close();
});

test("choosing by keyboard", async () => {
  const { page, close } = await open(DESKTOP, "dark");
  await waitForPair(page);
  const watch = page.getByRole("button", { name: "Watch Ann in Viewers-Berlin", exact: true });
  await watch.focus();
  await page.keyboard.press("Enter");
  await eventually(async () => (await page.locator(".tile").count()) === 1, "one tile is left");
  assert.equal(await watch.getAttribute("aria-pressed"), "false");
  assert.ok(await watch.evaluate(each => each === document.activeElement), "focus stays");
  await page.getByRole("button", { name: "side by side" }).click();
  await waitForPair(page);
  await page.locator(".tile-close").first().click();
  await eventually(async () => (await page.locator(".tile").count()) === 1, "closed by its own button");
  await page.locator(".tile-sound").click();
  assert.equal(
    await page.locator(".tile video").evaluate(each => /** @type {HTMLVideoElement} */ (each).muted),
    false,
  );
  await close();
});

/** The viewers' media connections of a stage, as the server sees them. @param {string} arn */
async function watching(arn) {
  const { origin, hash } = new URL(await server.consoleUrl());
  const query = new URLSearchParams({ stageArn: arn });
  const headers = { Authorization: `Bearer ${hash.replace("#key=", "")}` };
  const answer = await fetch(`${origin}/console/api/connections?${query}`, { headers });
  const { connections } = await answer.json();
  return connections.filter(each => each.direction === "subscribe").length;
}

/**
 * Keeps the path of each DELETE that the page sends where the next page of its origin finds it. The events of the
 * browser's debugger do not do, since they end with the page, and these requests outlive it.
 * @param {import("playwright-core").Page} page
 */
async function keepDeletes(page) {
  await page.evaluate(() => {
    const send = globalThis.fetch;
    globalThis.fetch = (url, init) => {
      if (init?.method === "DELETE") {
        const kept = JSON.parse(localStorage.getItem("deletes") ?? "[]");
        localStorage.setItem("deletes", JSON.stringify([...kept, new URL(`${url}`, location.href).pathname]));
      }
      return send(url, init);
    };
  });
}

test("who leaves the page ends its sessions", async () => {
  const { page, close } = await open(DESKTOP, "dark");
  await waitForPair(page);
  for (const stage of [source, destination])
    await eventually(async () => (await watching(stage)) === 1, "this page watches, and no page before it");
  await keepDeletes(page);
  const { origin } = new URL(page.url());
  await page.goto("about:blank");
  for (const stage of [source, destination])
    await eventually(async () => (await watching(stage)) === 0, "nobody watches any more");
  await page.goto(origin);
  const ended = await page.evaluate(() => JSON.parse(localStorage.getItem("deletes") ?? "[]"));
  assert.equal(ended.length, 2, "both sessions are ended by the page");
  for (const path of ended) assert.match(path, /\/sessions\/[\w-]+$/);
  await close();
});

test("a stopped replica leaves the wall and the list", async () => {
  const other = await stages.create("Viewers-Lima");
  await stages.replicate(source, other, ann.participantId);
  const { page, close } = await openStage(browser, await server.consoleUrl(), other);
  const tile = page.locator(`.tile[data-stage="${other}"]`);
  await tile.waitFor();
  await stages.stop(source, other, ann.participantId);
  await tile.waitFor({ state: "detached" });
  await page.locator(".participant").waitFor({ state: "detached" });
  await close();
});
