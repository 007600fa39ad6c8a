/** Replication as a picture: started by dragging and by keyboard, stopped with a click, and in the API what the picture shows. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { openPage } from "../support/browser.js";
import { assertFits, goTo, idOf, openConsole, PHONE } from "../support/console.js";
import { publishCard } from "../support/recording.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { OUTPUT } from "../support/server.js";
import { eventually } from "../support/wait.js";

/** Stages among which one still finds one's own. */
const DOZENS = 48;

useScene("browser_console_replication", { closesPages: true });

/** A participant that publishes in a new stage. */
async function publisher(stageName, userId) {
  const arn = await stages.create(stageName);
  const { participantId, token } = await stages.token(arn, { userId });
  await openPage(browser, site, `card.html#name=${userId}&token=${token}`);
  await stages.waitFor(arn, participantId, "CONNECTED");
  return { arn, participantId };
}

async function openGraph(options = {}) {
  const opened = await openConsole(browser, await server.consoleUrl(), options);
  await opened.page.locator("#stages").waitFor({ state: "attached" });
  await goTo(opened.page, "replication");
  await opened.page.locator(".graph .box").first().waitFor();
  return opened;
}

const boxOf = (page, arn) => page.locator(`.graph .box[data-stage="${arn}"]`);
const seatOf = (page, arn, participantId) =>
  boxOf(page, arn).locator(`.seat[data-participant="${participantId}"]`);
const linkOf = (page, source, destination, participantId) =>
  page.locator(`.graph .link[data-link="${source}|${destination}|${participantId}"]`);

/** The middle of an element on the screen. */
async function middleOf(locator) {
  const { x, y, width, height } = await locator.boundingBox();
  return [x + width / 2, y + height / 2];
}

/** Waits until a line is drawn. One that is level has no height, and so counts as invisible. */
const isDrawn = link => link.waitFor({ state: "attached" });

/** Clicks the middle of a line. */
async function clickLine(page, link) {
  const [x, y] = await link.locator(".link-hit").evaluate(path => {
    const middle = path.getPointAtLength(path.getTotalLength() / 2).matrixTransform(path.getScreenCTM());
    return [middle.x, middle.y];
  });
  await page.mouse.click(x, y);
}

/** Drags with the mouse, as people do: in several moves. */
async function drag(page, from, to) {
  await page.mouse.move(...(await middleOf(from)));
  await page.mouse.down();
  const [x, y] = await middleOf(to);
  await page.mouse.move(x - 40, y - 10, { steps: 4 });
  await page.mouse.move(x, y, { steps: 4 });
}

test("a participant is dragged onto a stage, and a click on the line stops it", async () => {
  const { arn: source, participantId } = await publisher("Drag-source", "Ann");
  const destination = await stages.create("Drag-destination");
  const { page, problems } = await openGraph();
  const seat = seatOf(page, source, participantId);
  await drag(page, seat, boxOf(page, destination));
  assert.equal(await boxOf(page, destination).getAttribute("data-target"), "true", "the stage offers itself");
  assert.equal(await boxOf(page, destination).getAttribute("data-drop"), "yes");
  assert.equal(await boxOf(page, source).getAttribute("data-drop"), "no");
  await page.screenshot({ path: join(OUTPUT, "console-replication-drag.png") });
  await page.mouse.up();
  const link = linkOf(page, source, destination, participantId);
  await eventually(async () => (await link.getAttribute("data-state")) === "ACTIVE", "the line is there");
  assert.deepEqual(await stages.replicaStates(source, participantId), ["ACTIVE"]);
  await page.getByText("Ann is shown in Drag-destination too.").waitFor();
  assert.equal(await seat.getAttribute("data-role"), "SOURCE");
  assert.equal(await seatOf(page, destination, participantId).getAttribute("data-role"), "REPLICA");
  assert.match(
    await page.locator("#links tbody tr").innerText(),
    /Ann\s+Drag-source\s+Drag-destination\s+ACTIVE/,
  );
  await page.screenshot({ path: join(OUTPUT, "console-replication.png") });

  await clickLine(page, link);
  const dialog = page.getByRole("dialog", { name: "Stop the replica of Ann?" });
  assert.match(await dialog.innerText(), /Ann disappears from Drag-destination\. It stays in Drag-source/);
  await dialog.getByRole("button", { name: "Stop replica" }).click();
  await link.waitFor({ state: "detached" });
  assert.deepEqual(await stages.replicaStates(source, participantId), ["STOPPED"]);
  assert.deepEqual(problems, []);
});

for (const [count, destinationCount] of [
  [4, 2],
  [12, 1],
]) {
  test(`${count} live participants are dragged from their stage, and the API has each replica`, async () => {
    const source = await stages.create(`Of-${count}-source`);
    const made = Array.from({ length: count }, (_, at) => stages.token(source, { userId: `p${at + 1}` }));
    const people = await Promise.all(made);
    const cards = people.map(({ token }) => publishCard(token, ["--fps", "5"], "ignore"));
    for (const { participantId } of people) await stages.waitFor(source, participantId, "CONNECTED");
    const destinations = [];
    for (let at = 0; at < destinationCount; at++)
      destinations.push(await stages.create(`Of-${count}-destination-${at}`));
    const { page, problems } = await openGraph();
    await page.getByLabel("Find a stage or a participant").fill(`Of-${count}-`);
    await eventually(
      async () => (await page.locator(".graph .box").count()) === destinationCount + 1,
      "the stages of the test are drawn",
    );
    const wanted = destinations.map(() => /** @type {string[]} */ ([]));
    for (const [at, { participantId }] of people.entries()) {
      const to = at % destinationCount;
      await drag(page, seatOf(page, source, participantId), boxOf(page, destinations[to]));
      await page.mouse.up();
      const link = linkOf(page, source, destinations[to], participantId);
      await eventually(async () => (await link.getAttribute("data-state")) === "ACTIVE", `line ${at + 1}`);
      assert.deepEqual(await stages.replicaStates(source, participantId), ["ACTIVE"]);
      wanted[to].push(participantId);
    }
    await page.screenshot({ path: join(OUTPUT, `console-replication-${count}.png`) });
    for (const [to, arn] of destinations.entries()) {
      const there = await stages.participants(arn);
      assert.deepEqual(there.map(({ participantId }) => participantId).sort(), wanted[to].sort());
      for (const { state, published, replicationType, replicationState, sourceStageArn } of there) {
        assert.deepEqual(
          { state, published, replicationType, replicationState, sourceStageArn },
          {
            state: "CONNECTED",
            published: true,
            replicationType: "REPLICA",
            replicationState: "ACTIVE",
            sourceStageArn: source,
          },
        );
      }
    }
    assert.deepEqual(problems, []);
    for (const card of cards) await card.leave();
  });
}

test("what is dropped beside a stage, on its own stage or given up with Escape changes nothing", async () => {
  const { arn: source, participantId } = await publisher("Still-source", "Ann");
  const destination = await stages.create("Still-destination");
  const { page } = await openGraph();
  const calls = [];
  page.on("request", request => calls.push(request.url()));
  const seat = seatOf(page, source, participantId);
  await drag(page, seat, page.getByRole("button", { name: "Zoom in" }));
  await page.mouse.up();
  await drag(page, seat, boxOf(page, source));
  await page.mouse.up();
  await drag(page, seat, boxOf(page, destination));
  await page.keyboard.press("Escape");
  await page.mouse.up();
  assert.equal(await page.locator(".graph [data-drop]").count(), 0);
  assert.ok(!calls.some(url => url.includes("StartParticipantReplication")));
  assert.deepEqual(await stages.replicaStates(source, participantId), []);
});

test("by keyboard: a participant is chosen, replicated, and its line stopped", async () => {
  const { arn: source, participantId } = await publisher("Keys-source", "Bob");
  const destination = await stages.create("Keys-destination");
  const { page } = await openGraph();
  const hasFocus = locator => locator.evaluate(each => each === document.activeElement);
  const seat = page.getByRole("button", { name: "Replicate Bob in Keys-source to…" });
  await boxOf(page, source).locator("a").focus();
  await page.keyboard.press("Tab");
  assert.ok(await hasFocus(seat), "after the stage's name comes its participant");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Replicate Bob" });
  await dialog.getByLabel("Into the stage").selectOption(destination);
  await dialog.getByLabel(/Seconds the replica waits/).fill("7");
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  const link = linkOf(page, source, destination, participantId);
  await eventually(async () => (await link.getAttribute("data-state")) === "ACTIVE", "the line is there");
  await link.focus();
  assert.ok(await hasFocus(link));
  await page.keyboard.press("Space");
  const question = page.getByRole("dialog", { name: "Stop the replica of Bob?" });
  await question.getByRole("button", { name: "Stop replica" }).focus();
  await page.keyboard.press("Enter");
  await link.waitFor({ state: "detached" });
  assert.deepEqual(await stages.replicaStates(source, participantId), ["STOPPED"]);
});

test("what others start and stop is drawn by itself", async () => {
  const { arn: source, participantId } = await publisher("Others-source", "Cid");
  const [left, right] = [await stages.create("Others-left"), await stages.create("Others-right")];
  const { page } = await openGraph();
  await stages.replicate(source, left, participantId);
  await stages.replicate(source, right, participantId);
  await isDrawn(linkOf(page, source, left, participantId));
  await isDrawn(linkOf(page, source, right, participantId));
  assert.match(await page.locator("#links-title").innerText(), /^\d+ replicas in progress$/);
  await stages.stop(source, left, participantId);
  await linkOf(page, source, left, participantId).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Stop Cid in Others-right" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Stop replica" }).click();
  await linkOf(page, source, right, participantId).waitFor({ state: "detached" });
});

test("why something cannot be replicated is said", async () => {
  const { arn: source, participantId } = await publisher("Refused-source", "Dan");
  const destination = await stages.create("Refused-destination");
  const { page } = await openGraph();
  const seat = seatOf(page, source, participantId);
  // The stage goes between the drop and the server's answer.
  await page.route("**/StartParticipantReplication?*", async route => {
    await stages.remove(destination);
    await route.continue();
  });
  await drag(page, seat, boxOf(page, destination));
  await page.mouse.up();
  await page.getByText(/Dan cannot be shown in Refused-destination: .*there is no stage/).waitFor();
  await page.locator(".link[data-state=PENDING]").waitFor({ state: "detached" });
});

test("dozens of stages are found, zoomed and panned; on a phone the list does", async () => {
  const { arn: source, participantId } = await publisher("Crowded-source", "Eve");
  const many = [];
  for (let at = 0; at < DOZENS; at += 8) {
    many.push(
      ...(await Promise.all(Array.from({ length: 8 }, (_, number) => stages.create(`crowd-${at + number}`)))),
    );
  }
  for (const arn of many.slice(0, 12)) await stages.replicate(source, arn, participantId);
  const { page } = await openGraph();
  await page.getByLabel("stages where nobody publishes").check();
  await eventually(async () => (await page.locator(".graph .box").count()) >= DOZENS, "all are drawn");
  await eventually(async () => (await page.locator(".graph .link").count()) === 12, "all lines are drawn");
  const size = () =>
    page
      .locator(".graph .box-name")
      .first()
      .evaluate(each => each.getBoundingClientRect().height);
  const before = await size();
  await page.screenshot({ path: join(OUTPUT, "console-replication-dozens.png") });
  assert.ok(before >= 7, `names are ${before} pixels high`);
  await page.getByRole("button", { name: "Zoom in" }).click();
  await eventually(async () => (await size()) > before * 1.2, "it is larger");
  // What gets the focus comes into sight.
  const last = page.locator(".graph .box").last();
  await last.locator("a").focus();
  const frame = await page.locator(".graph").boundingBox();
  const { x, width } = await last.boundingBox();
  assert.ok(
    x >= frame.x - 1 && x + width <= frame.x + frame.width + 1,
    `${x} ${width} in ${JSON.stringify(frame)}`,
  );
  await page.getByRole("button", { name: "Show all" }).click();
  await eventually(async () => (await size()) === before, "it fits again");
  await page.getByLabel("Find a stage or a participant").fill("crowd-47");
  await eventually(async () => (await page.locator(".graph .box").count()) === 1, "one is found");
  await page.getByLabel("Find a stage or a participant").fill("Eve");
  await eventually(async () => (await page.locator(".graph .box").count()) === 13, "she and her replicas");
  await page.setViewportSize(PHONE);
  await assertFits(page);
  await page
    .getByRole("link", { name: /^All replicas of Eve/ })
    .first()
    .click();
  await page.getByRole("button", { name: "List replicas" }).click();
  await page.locator("#replicas-count", { hasText: "12 replicas" }).waitFor();
  assert.equal(idOf(await page.getByLabel("Source stage").inputValue()), idOf(source));
});
