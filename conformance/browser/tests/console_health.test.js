/** The console shows how the server does, and what is wrong with it. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { findings } from "../support/axe.js";
import { openPage } from "../support/browser.js";
import { assertFits, DESKTOP, goTo, openConsole, openConsolePage, PHONE } from "../support/console.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { OUTPUT, ROOT } from "../support/server.js";
import { eventuallySeen } from "../support/wait.js";

/** How long a busy machine may take until figures are there: those of connections are counted every five seconds. */
const COUNT_MS = 60_000;

useScene("browser_console_health", {
  prepare: async () => {
    const stage = await stages.create("Main-stage");
    const ann = await stages.token(stage, { userId: "ann" });
    await openPage(browser, site, `card.html#name=Ann&token=${ann.token}`);
    await stages.waitFor(stage, ann.participantId, "CONNECTED");
  },
});

const open = options => openConsolePage(browser, server, "health", options);

/** The number that a chart shows. */
const figureOf = (page, title) =>
  page
    .locator(`[data-chart="${title}"] .chart-value`)
    .innerText()
    .then(text => ({ text, value: parseFloat(text) }));

test("figures grow into charts, and agree with what is going on", async () => {
  const { page, problems, close } = await open();
  await page.getByText("ready", { exact: true }).waitFor();
  const above = least => read => read.value > least;
  const packets = await eventuallySeen(
    () => figureOf(page, "Packets received"),
    above(20),
    "packets are counted",
    COUNT_MS,
  );
  assert.match(packets.text, /\/s$/);
  const rate = await eventuallySeen(
    () => figureOf(page, "From publishers"),
    above(50),
    "bits are counted",
    COUNT_MS,
  );
  assert.match(rate.text, /kb\/s|Mb\/s/);
  const cost = await eventuallySeen(
    () => figureOf(page, "Processor time of a packet"),
    above(0),
    "a packet has its cost",
    COUNT_MS,
  );
  assert.match(cost.text, /µs$/);
  assert.equal((await figureOf(page, "Media connections")).value, 1);
  const drawn = await page.locator('[data-chart="Packets received"] polyline').getAttribute("points");
  assert.ok(drawn.split(" ").length >= 2, drawn);
  const figures = await page.locator("#health-figures").innerText();
  assert.match(figures, /Media workers\s+(\d+) of \1 run/);
  assert.match(figures, /Publishers, viewers, events sockets\s+1, 0, \d/);
  assert.match(figures, /Database\s+takes changes; \d+ commands wait/);
  assert.match(figures, /Certificate\s+no TLS here/);
  // Where other tests run, the machine may be short of time.
  const alarms = await page.locator("#health-alarms .finding-check").allTextContents();
  assert.deepEqual(
    alarms.filter(check => !["load", "lag", "datagrams"].includes(check)),
    [],
  );
  await page.screenshot({ path: join(OUTPUT, "health-desk.png"), fullPage: true });
  await page.setViewportSize(PHONE);
  await assertFits(page);
  assert.deepEqual(await findings(page), []);
  await page.screenshot({ path: join(OUTPUT, "health-phone.png"), fullPage: true });
  await page.setViewportSize(DESKTOP);
  assert.deepEqual(problems, []);
  await close();
});

test("the server finds what restage doctor finds, without a connection; the browser finds its own", async () => {
  const { page, close } = await open();
  const doctor = page.locator("#health-doctor");
  await doctor.locator(".finding").first().waitFor({ state: "attached" });
  const checks = await doctor.locator(".finding-check").allTextContents();
  for (const check of ["tls", "workers", "candidates", "storage", "spool", "secrets", "clock"]) {
    assert.ok(checks.includes(check), `${check} is not in ${checks}`);
  }
  for (const check of ["http-port", "media-port", "tcp", "turn"]) assert.ok(!checks.includes(check), check);
  const own = page.locator("#health-browser");
  await own.getByText(/nothing is wrong|found nothing wrong/).click();
  await own.locator(".finding", { hasText: "clock and the server's agree" }).waitFor();
  await own.locator(".finding", { hasText: "This browser shows" }).waitFor();
  // What the check of the network has found is here as well.
  await own.getByRole("link", { name: "the check of the network" }).click();
  await page.locator("#network-again:enabled").waitFor({ timeout: COUNT_MS });
  await goTo(page, "health");
  await own.getByText("The check of the network, at").waitFor();
  await own.locator(".finding-check", { hasText: /UDP/ }).first().waitFor({ state: "attached" });
  await close();
});

test("what is wrong is said: workers that stand, a full spool, events that wait, a clock that differs", async () => {
  const { page, close } = await openConsole(browser, await server.consoleUrl());
  await page.route("**/console/api/health", async route => {
    const answer = await route.fetch();
    const body = await answer.json();
    const set = (text, name, value) => text.replace(new RegExp(`^${name} .*$`, "m"), `${name} ${value}`);
    let { metrics } = body;
    metrics = set(metrics, "restage_media_workers_alive", 0);
    metrics = set(metrics, "restage_media_load", 0.97);
    metrics = set(metrics, "restage_spool_level", 2);
    metrics = `restage_outbox_events{sink="webhook"} 3\nrestage_outbox_lag_seconds{sink="webhook"} 301\n${metrics}`;
    const sentences = ["a media worker is gone for good; restart the server"];
    const nowMs = body.nowMs - 600_000;
    await route.fulfill({ response: answer, json: { ...body, isReady: false, sentences, metrics, nowMs } });
  });
  await page.locator("nav").first().waitFor();
  await goTo(page, "health");
  await page.getByText("not ready", { exact: true }).waitFor();
  await page.getByText("A media worker is gone for good; restart the server.").waitFor();
  const alarms = page.locator("#health-alarms");
  for (const words of [
    /0 of \d+ media workers? run/,
    "has a load of 0.97",
    "The spool is full.",
    "Events have been waiting for the webhook for 5 min 1 s.",
  ]) {
    await alarms.getByText(words).waitFor();
  }
  await page.locator("#health-figures").getByText("webhook: 3 wait, the oldest for 5 min 1 s").waitFor();
  assert.deepEqual(await findings(page), []);
  await page.getByText(/This device's clock is 10 min \d+ s ahead of the server's/).waitFor();
  await close();
});

test("an access key of another account does not see the server's health", async () => {
  const binary = process.env.RESTAGE_BINARY ?? join(ROOT, "target", "debug", "restage");
  const args = [
    "keys",
    "create",
    "--account-id",
    "999988887777",
    "--data-dir",
    server.dataDir,
    "--output",
    "json",
  ];
  const { stdout } = await promisify(execFile)(binary, args);
  const key = JSON.parse(stdout);
  const { page, close } = await openConsole(browser, `${server.url}/console/`);
  await page.getByLabel("Access key id").fill(key.accessKeyId);
  await page.getByLabel("Secret access key").fill(key.secretAccessKey);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("#navigation").waitFor();
  await goTo(page, "health");
  await page.locator("#health-problem", { hasText: "shown to its own account only" }).waitFor();
  assert.equal(await page.locator("#health-figures").count(), 0);
  await close();
});
