/** The console shows the sessions of a stage, who was in them, what happened when, and where to a participant was replicated. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { findings } from "../support/axe.js";
import { openPage } from "../support/browser.js";
import { assertFits, DESKTOP, idOf, openConsolePage, openStage, PHONE } from "../support/console.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { OUTPUT } from "../support/server.js";
import { eventually, eventuallySeen } from "../support/wait.js";

/** How long a busy machine may take until somebody publishes or watches. */
const PLAY_MS = 60_000;

let source;
let destination;
let ann;

useScene("browser_console_history", {
  prepare: async () => {
    source = await stages.create("Main-stage");
    destination = await stages.create("Viewers");
    ann = await stages.token(source, { userId: "ann", attributes: { role: "host" } });
    await openPage(browser, site, `card.html#name=Ann&token=${ann.token}`);
    await stages.waitFor(source, ann.participantId, "CONNECTED");
    await stages.replicate(source, destination, ann.participantId);
    await stages.stop(source, destination, ann.participantId);
    await stages.replicate(source, destination, ann.participantId);
  },
});

const wordsOf = locator => locator.locator("[data-event]").allInnerTexts();

test("a session has its participants, its filters and its time line", async () => {
  const { page, problems, close } = await openStage(browser, await server.consoleUrl(), source);
  // The console watches too, and its viewer is a participant.
  await page.locator(".tile-stats", { hasText: /fps/ }).waitFor({ timeout: PLAY_MS });
  await page.getByRole("link", { name: "Sessions", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "Sessions of Main-stage" }).waitFor();
  const row = page.locator("tbody tr");
  await row.getByText("in progress").waitFor();
  await eventually(async () => (await row.count()) === 1, "there is one session");
  await row.getByRole("link").click();
  await page.getByRole("heading", { level: 1, name: /^Session / }).waitFor();

  const people = page.locator("#past-participants tbody tr");
  await eventuallySeen(
    () => people.allInnerTexts(),
    rows => rows.some(text => /ann/.test(text)) && rows.length >= 2,
    "everybody is listed",
  );
  const who = people.filter({ hasText: ann.participantId });
  await eventuallySeen(
    () => who.innerText(),
    text => /ann\s+.*\s+connected\s+yes\s+SOURCE/s.test(text),
    "ann is connected, has published and is replicated",
  );
  await page.getByLabel("Show", { exact: true }).selectOption("who has published");
  await eventually(async () => (await people.count()) === 1, "only ann has published");
  await page.getByLabel("Show", { exact: true }).selectOption("who has not published");
  await eventually(async () => (await who.count()) === 0, "ann is not among the others");
  await page.getByLabel("Only with the user id").fill("ann");
  await page.keyboard.press("Enter");
  await eventually(async () => (await people.count()) === 1 && (await who.count()) === 1, "by user id");
  await page.getByLabel("Only with the user id").fill("");
  await page.keyboard.press("Tab");
  await page.getByLabel("Show", { exact: true }).selectOption("everybody");

  const line = page.locator("#time-line");
  const drawing = line.getByRole("img", { name: /^ann: connected 1 times, published 1 times/ });
  await drawing.waitFor({ timeout: PLAY_MS });
  // The events come page by page.
  const bars = drawing.locator('[data-kind="replicated"]');
  await eventually(async () => (await bars.count()) === 2, "two replications");
  const wanted = [/^joins$/, /^begins to publish$/, /^is replicated to Viewers$/, /^begins to watch ann/];
  await eventuallySeen(
    () => wordsOf(line),
    words => wanted.every(pattern => words.some(text => pattern.test(text))),
    `the events are listed: ${wanted.join(", ")}`,
  );
  await page.screenshot({ path: join(OUTPUT, "history-session.png"), fullPage: true });
  await page.setViewportSize(PHONE);
  await assertFits(page);
  assert.deepEqual(await findings(page), []);
  await page.screenshot({ path: join(OUTPUT, "history-session-phone.png"), fullPage: true });
  await page.setViewportSize(DESKTOP);

  await who.getByRole("link", { name: "ann" }).click();
  await page.getByRole("heading", { level: 1, name: "ann" }).waitFor();
  const facts = page.getByRole("region", { name: "What is known" });
  await facts.waitFor();
  assert.match(await facts.innerText(), /role: host/);
  const replica = page.locator("#past-replicas tbody tr", { hasText: "Viewers" });
  await replica.filter({ hasText: "active" }).waitFor();
  await page.screenshot({ path: join(OUTPUT, "history-participant.png"), fullPage: true });
  await replica.filter({ hasText: "active" }).getByRole("link").click();
  // The same participant as a replica, in the session of the other stage.
  await page.getByText("Replica from").waitFor();
  assert.match(await page.getByRole("region", { name: "What is known" }).innerText(), /Main-stage/);
  const crumbs = page.getByRole("navigation", { name: "Where this is" });
  await crumbs.getByRole("link", { name: "Viewers" }).click();
  await page.getByRole("heading", { level: 1, name: "Viewers" }).waitFor();
  assert.deepEqual(problems, []);
  await close();
});

test("an error is marked in the time line, and its code is said", async () => {
  const session = (await stages.list()).find(({ arn }) => arn === source).activeSessionId;
  const path = `stages/${idOf(source)}/sessions/${session}`;
  const { page, close } = await openConsolePage(browser, server, path);
  // One that the server has had no reason for.
  await page.route("**/console/api/call/ListParticipantEvents?*", async route => {
    const answer = await route.fetch();
    const body = await answer.json();
    const [first] = body.events;
    if (first)
      body.events.push({ ...first, name: "PUBLISH_ERROR", errorCode: "BITRATE_EXCEEDED", replica: false });
    await route.fulfill({ response: answer, json: body });
  });
  await page.reload();
  await page.locator("nav").first().waitFor();
  const line = page.locator("#time-line");
  await line.getByText("could not publish: BITRATE_EXCEEDED").first().waitFor({ timeout: PLAY_MS });
  const drawing = line.getByRole("img", { name: /^ann: .* 1 errors$/ });
  await drawing.waitFor();
  const errors = drawing.locator('circle[data-kind="error"]');
  await eventually(async () => (await errors.count()) === 1, "one error");
  assert.match(await drawing.locator('circle[data-kind="error"] title').textContent(), /BITRATE_EXCEEDED/);
  await close();
});

test("a stage without sessions says so, and one that is not there too", async () => {
  const empty = await stages.create("Empty");
  const { page, close } = await openConsolePage(browser, server, `stages/${idOf(empty)}/sessions`);
  await page.getByText("Nobody has joined this stage.").waitFor();
  await page.evaluate('location.hash = "#/stages/nothing/sessions"');
  await page.getByText("There is no such stage").waitFor();
  await close();
});
