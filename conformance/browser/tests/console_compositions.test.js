/** The console starts, shows, plays and stops compositions. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { findings } from "../support/axe.js";
import {
  compositors,
  createEncoder,
  createStorage,
  publishAs,
  startComposition,
  stateOf,
} from "../support/compositions.js";
import { assertFits, DESKTOP, openConsolePage, PHONE } from "../support/console.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { OUTPUT } from "../support/server.js";
import { eventually, eventuallySeen } from "../support/wait.js";

/** How long a busy machine may take to compose, record and play some seconds. */
const COMPOSE_MS = 60_000;
const WIDTH = 640;
const HEIGHT = 360;
const GAP = 2;
/** A box is drawn as exactly as this, in pixels of the composed picture. */
const EXACT = 1.5;

let storage;
let encoder;

useScene("browser_console_compositions", {
  closesPages: true,
  prepare: async () => {
    storage = await createStorage(stages, "composed-vods");
    encoder = await createEncoder(stages, "small", {
      width: WIDTH,
      height: HEIGHT,
      framerate: 15,
      bitrate: 600_000,
    });
  },
});

const open = options => openConsolePage(browser, server, "compositions", options);
const publisher = (stage, userId, codec, attributes = {}) =>
  publishAs({ browser, site, stages }, stage, userId, codec, attributes);
const idOf = arn => arn.slice(arn.lastIndexOf("/") + 1);

/** The boxes that are drawn, by participant, in pixels of the composed picture. */
const readTiles = page =>
  page.evaluate(width => {
    const canvas = document.querySelector(".composed-canvas");
    if (!canvas) return {};
    const whole = canvas.getBoundingClientRect();
    const scale = width / whole.width;
    const tiles = [...canvas.querySelectorAll(".composed-tile")].map(tile => {
      const box = tile.getBoundingClientRect();
      const at = {
        x: (box.left - whole.left) * scale,
        y: (box.top - whole.top) * scale,
        width: box.width * scale,
        height: box.height * scale,
      };
      const { shows, reason } = tile.dataset;
      return [tile.dataset.participant, { ...at, shows, reason, says: tile.innerText, z: tile.style.zIndex }];
    });
    return Object.fromEntries(tiles);
  }, WIDTH);

const near = (value, wanted) => Math.abs(value - wanted) <= EXACT;

/** Waits until a participant's tile shows this. */
const shows = (page, participantId, wanted) =>
  eventuallySeen(
    async () => (await readTiles(page))[participantId],
    tile => tile && (tile.reason ?? tile.shows) === wanted,
    `the tile shows ${wanted}`,
    COMPOSE_MS,
  );

const row = (page, arn) => page.locator(`[data-composition="${arn}"]`);
const says = (page, arn, word) =>
  eventuallySeen(
    () => row(page, arn).locator(".recording-name .badge").innerText(),
    text => text === word,
    `the composition is ${word}`,
    COMPOSE_MS,
  );

test("a composition is started on the page, shows each participant at its place, and is stopped", async () => {
  const stage = await stages.create("Studio");
  const ann = await publisher(stage, "ann", "H264");
  const bob = await publisher(stage, "bob", "VP8");
  const cal = await publisher(stage, "cal", "AV1");
  const { page, problems } = await open();
  await page.getByText("No compositions", { exact: true }).waitFor();
  assert.match(await page.locator("#compositions-empty").innerText(), /restage compositions start/);
  assert.equal(await page.locator(".empty").count(), 1, "that there is nothing is said once");

  await page.getByRole("button", { name: "Start a composition" }).click();
  const dialog = page.getByRole("dialog", { name: "Start a composition" });
  const start = dialog.getByRole("button", { name: "Start", exact: true });
  await dialog.getByLabel("Stage", { exact: true }).selectOption(stage);
  await page.locator(`#start option[value="${encoder}"]`).waitFor({ state: "attached" });
  const problem = dialog.locator("form > .problem").last();
  // What is missing or wrong is said, and its field is marked and gets the focus.
  const refusedAt = async (field, words) => {
    await start.click();
    await problem.filter({ hasText: words }).waitFor();
    assert.equal(await page.evaluate("document.activeElement.name"), field);
    assert.equal(await page.locator(`#start [name="${field}"]`).getAttribute("aria-invalid"), "true");
  };
  await refusedAt("storage", "choose a bucket, a channel, or both");
  await dialog.getByLabel("Record to").selectOption(storage);
  assert.equal(await problem.textContent(), "");
  await refusedAt("encoder", "A recording needs an encoder configuration");
  await dialog.getByLabel("Encoded as").selectOption(encoder);
  await dialog.getByLabel("Pixels between pictures").fill("-1");
  await refusedAt("gap", "a whole number of pixels, 0 or more");
  await dialog.getByLabel("Pixels between pictures").fill(`${GAP}`);
  await dialog.getByLabel("Attribute with a number for the order").fill("no spaces");
  await refusedAt("order", "letters, digits, hyphens and underscores");
  await dialog.getByLabel("Attribute with a number for the order").fill("");
  await dialog.getByLabel("one over the others").check();
  await refusedAt("over", "nobody is over the others");
  await dialog.getByLabel("grid", { exact: true }).check();
  await dialog.getByText("No channel is configured in this Region").waitFor();
  await start.click();
  await dialog.waitFor({ state: "hidden" });
  const arn = await eventually(
    () => page.evaluate("document.querySelector('[data-composition]')?.dataset.composition"),
    "the composition is listed",
  );
  await says(page, arn, "ACTIVE");

  await shows(page, ann.participantId, "PICTURE");
  await shows(page, bob.participantId, "PICTURE");
  const unseen = await shows(page, cal.participantId, "CODEC");
  assert.match(unseen.says, /cal/);
  await page.getByText("name only: it sends AV1; compositions show H.264 and VP8").waitFor();
  // Two above, and the third below, in the middle.
  const tiles = await readTiles(page);
  const [first, second, third] = [ann, bob, cal].map(({ participantId }) => tiles[participantId]);
  const wide = (WIDTH - GAP) / 2;
  for (const tile of [first, second, third]) assert.ok(near(tile.width, wide), JSON.stringify(tiles));
  assert.ok(near(first.x, 0) && near(second.x, wide + GAP) && near(third.x, (WIDTH - wide) / 2));
  assert.ok(near(first.y, second.y) && near(third.y, first.y + first.height + GAP), JSON.stringify(tiles));
  assert.match(first.says, /ann/);
  assert.match(await page.locator(".composed-people").innerText(), /its pictures, 640×360/);
  const facts = page.locator("#composed-facts");
  await facts.getByText(/^[\d.]+ of 15$/).waitFor();
  assert.match(await facts.innerText(), /Participants\n3\n/);
  assert.match(await page.locator("#composed-sentence").innerText(), /pictures a second/);
  assert.match(await row(page, arn).innerText(), /bucket composed-vods\s+ACTIVE\s+\S+\/composite\s/);
  assert.match(await row(page, arn).innerText(), /grid, 16:9 · gap 2/);
  assert.match(
    await row(page, arn).innerText(),
    /encoder small · 640×360 · 15 pictures a second · 600 kb\/s/,
  );

  await page.screenshot({ path: join(OUTPUT, "compositions-names.png"), fullPage: true });
  await page.setViewportSize(PHONE);
  await assertFits(page);
  await page.screenshot({ path: join(OUTPUT, "compositions-names-phone.png"), fullPage: true });
  await page.setViewportSize(DESKTOP);

  // Who stops the video is shown by name, and says so.
  await ann.page.evaluate('window.setMuted("video", true)');
  const stopped = await shows(page, ann.participantId, "STOPPED");
  assert.equal(stopped.shows, "NAME");
  await page.getByText("name only: its video is stopped").waitFor();
  await ann.page.evaluate('window.setMuted("video", false)');
  await shows(page, ann.participantId, "PICTURE");
  // Who sends none without a word, too.
  await bob.page.evaluate("window.setCamera(false)");
  await shows(page, bob.participantId, "NO_PICTURE");
  await cal.page.evaluate("window.leave()");
  await eventually(
    async () => !(await readTiles(page))[cal.participantId],
    "who leaves has no tile",
    COMPOSE_MS,
  );

  // The list is drawn again, and the focus stays.
  const stop = row(page, arn).getByRole("button", { name: "Stop the composition of Studio" });
  await stop.focus();
  const later = await publisher(stage, "dan", "VP8");
  await shows(page, later.participantId, "PICTURE");
  assert.match(await page.evaluate("document.activeElement.ariaLabel"), /^Stop the composition of Studio/);
  await page.keyboard.press("Enter");
  const sure = page.getByRole("dialog", { name: "Stop the composition of Studio?" });
  await sure.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await stateOf(stages, arn), "ACTIVE");
  await stop.click();
  await sure.getByRole("button", { name: "Stop", exact: true }).click();
  await says(page, arn, "STOPPED");
  assert.equal(await page.locator("#composed-word").innerText(), "ended");
  // The stage's name leads to the stage.
  await row(page, arn).getByRole("link", { name: "Stage Studio" }).click();
  await page.getByRole("heading", { level: 1, name: "Studio" }).waitFor();
  assert.ok(page.url().endsWith(`#/stages/${idOf(stage)}`), page.url());
  assert.deepEqual(problems, []);
});

test("a compositor that dies is said to have been restarted, and why; what is recorded is played", async () => {
  const stage = await stages.create("Hall");
  const eve = await publisher(stage, "eve", "H264");
  const arn = await startComposition(stages, stage, storage, encoder, {
    tags: { show: "evening" },
    layout: { pip: { pipParticipantAttribute: "presenter", pipPosition: "TOP_LEFT", pipOffset: 10 } },
  });
  const fay = await publisher(stage, "fay", "H264", { presenter: "true" });
  const { page, problems } = await open();
  await shows(page, eve.participantId, "PICTURE");
  await shows(page, fay.participantId, "PICTURE");
  assert.match(
    await row(page, arn).innerText(),
    /PiP, top left · fill mode cover · gap 0 · over the others by presenter/,
  );
  assert.match(await row(page, arn).innerText(), /show: evening/);
  const tiles = Object.values(await readTiles(page)).sort((a, b) => a.z - b.z);
  assert.ok(near(tiles[1].x, 10) && near(tiles[1].y, 10), JSON.stringify(tiles));
  assert.ok(tiles[0].width > 2 * tiles[1].width, "the other one fills the picture");

  const [compositor] = await compositors(server);
  process.kill(compositor, "SIGKILL");
  await page.locator("#composed-facts", { hasText: /1; .*ago: it has ended: signal 9 ended it/ }).waitFor();
  await shows(page, eve.participantId, "PICTURE");
  await eventuallySeen(
    () => page.locator("#composed-sentence").innerText(),
    // Where other tests run, time may be short as well.
    text => /restarted 1 time, last .*signal 9 ended it\.|short of processor time/.test(text),
    "the verdict says so",
    COMPOSE_MS,
  );

  const play = row(page, arn).getByRole("button", { name: "Play the recording of the composition of Hall" });
  await play.waitFor({ timeout: COMPOSE_MS });
  const plays = () => page.evaluate(`document.getElementById("player-video")?.currentTime > 0.5`);
  await eventually(
    async () => {
      if (await plays()) return true;
      // Nothing may be in a segment yet.
      if ((await play.getAttribute("aria-pressed")) === "false") await play.click();
      return false;
    },
    "the recording of what still runs plays",
    COMPOSE_MS,
  );
  assert.equal(await play.getAttribute("aria-pressed"), "true");
  assert.match(await page.locator("#player-name").innerText(), new RegExp(`^Composition · ${idOf(arn)}`));
  for (const [name, viewport, colorScheme] of /** @type {const} */ ([
    ["dark", DESKTOP, "dark"],
    ["phone", PHONE, "dark"],
    ["light", DESKTOP, "light"],
  ])) {
    const other = await open({ viewport, colorScheme });
    await shows(other.page, eve.participantId, "PICTURE");
    await shows(other.page, fay.participantId, "PICTURE");
    await assertFits(other.page);
    assert.deepEqual(await findings(other.page), []);
    await other.page.screenshot({ path: join(OUTPUT, `compositions-${name}.png`), fullPage: true });
    await other.page.getByRole("button", { name: "Start a composition" }).click();
    await other.page.getByLabel("one over the others").check();
    await assertFits(other.page);
    assert.deepEqual(await findings(other.page), [], "the form");
    await other.page.screenshot({ path: join(OUTPUT, `compositions-form-${name}.png`) });
    assert.deepEqual(other.problems, []);
    await other.close();
  }
  await row(page, arn).getByRole("button", { name: "Stop the composition of Hall" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Stop", exact: true }).click();
  await says(page, arn, "STOPPED");
  assert.deepEqual(problems, []);
});

test("what has failed says why", async () => {
  const stage = await stages.create("Yard");
  const arn = await startComposition(stages, stage, storage, encoder);
  const { page } = await open();
  await row(page, arn).waitFor();
  const reason = "the bucket composed-vods is not there";
  await page.route("**/console/api/compositions?*", async route => {
    const answer = await route.fetch();
    const body = await answer.json();
    for (const one of body.compositions) {
      one.failure = { code: "DestinationFailure", reason: "none of its destinations works" };
      for (const destination of one.destinations) {
        destination.failure = { code: "ResourceNotFoundException", reason };
      }
    }
    await route.fulfill({ json: body });
  });
  await row(page, arn).getByText(`ResourceNotFoundException: ${reason}`).waitFor();
  await row(page, arn).getByText("DestinationFailure: none of its destinations works").waitFor();
});

test("a server that is away is said to be, and the page goes on when it is back", async () => {
  const { page } = await open();
  await page.locator("#compositions-found", { hasText: /\d+ compositions?, \d+ running/ }).waitFor();
  await server.pause();
  try {
    await page.locator("#notice", { hasText: "cannot be reached" }).waitFor();
  } finally {
    await server.resume();
  }
  await page.locator("#notice").waitFor({ state: "hidden" });
});
