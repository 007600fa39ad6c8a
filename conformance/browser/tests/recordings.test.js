/** The console lists recordings, pauses and resumes them, and plays them with hls.js, in Chromium and in Firefox. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { FIREFOX, launchFirefox } from "../../interop/clients/firefox.js";
import { findings } from "../support/axe.js";
import { assertFits, DESKTOP, openConsolePage, PHONE } from "../support/console.js";
import { createRecordedStage, publishCard, waitForRecording } from "../support/recording.js";
import { browser, server, stages, useScene } from "../support/scene.js";
import { OUTPUT } from "../support/server.js";
import { eventually, eventuallySeen } from "../support/wait.js";

/** How long a busy machine may take to play a second. */
const PLAY_MS = 60_000;

let stage;
let ann;

useScene("browser_recordings", {
  prepare: async () => {
    stage = await createRecordedStage(stages, "Main-stage", {
      thumbnailConfiguration: { recordingMode: "INTERVAL", storage: ["LATEST"], targetIntervalSeconds: 2 },
    });
    ann = await stages.token(stage, { userId: "ann" });
    const publisher = publishCard(ann.token);
    await waitForRecording(stages, stage, ann.participantId, "ACTIVE");
    await eventually(() => hasSegment("2.mp4"), "three segments are in the bucket", PLAY_MS);
    await publisher.leave();
    await waitForRecording(stages, stage, ann.participantId, "STOPPED");
  },
});

/** Whether some recording has this segment in its bucket. @param {string} name */
async function hasSegment(name) {
  const names = await readdir(join(server.dataDir, "recordings"), { recursive: true });
  return names.some(path => path.endsWith(`/high/${name}`));
}

/** Opens the page of recordings. @param {import("playwright-core").BrowserContextOptions} [options] */
const open = options => openConsolePage(browser, server, "recordings", options);

/** The buttons that play one. */
const PLAY = '[aria-label^="Play the recording"]';

/**
 * Begins to measure the page's video: `window.readPlayback()` says its time, a digest of its picture, and its loudest sample. What is
 * played is recorded and decoded again, because a machine without loudspeakers runs no AudioContext in Firefox.
 */
const MEASURE = `(() => {
  const video = document.getElementById("player-video");
  const pieces = [];
  const record = () => {
    const all = video.captureStream ? video.captureStream() : video.mozCaptureStream();
    const recorder = new MediaRecorder(new MediaStream(all.getAudioTracks()));
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    recorder.start(200);
  };
  if (video.readyState > 2 && !video.paused) record();
  else video.addEventListener("playing", record, { once: true });
  const canvas = document.createElement("canvas");
  canvas.width = 64;
  canvas.height = 36;
  const draw = canvas.getContext("2d", { willReadFrequently: true });
  window.readPlayback = async () => {
    draw.drawImage(video, 0, 0, canvas.width, canvas.height);
    const pixels = draw.getImageData(0, 0, canvas.width, canvas.height).data;
    const digest = pixels.reduce((sum, value, at) => (sum * 31 + value * (at % 7)) % 1_000_003, 0);
    const light = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
    const bytes = await new Blob(pieces).arrayBuffer();
    const decoder = new OfflineAudioContext(1, 48000, 48000);
    const sound = await decoder.decodeAudioData(bytes).catch(() => undefined);
    const samples = sound?.getChannelData(0) ?? [];
    const heard = samples.reduce((loudest, sample) => Math.max(loudest, Math.abs(sample)), 0);
    const seconds = sound?.duration ?? 0;
    const problem = document.getElementById("player-problem").textContent;
    return { time: video.currentTime, width: video.videoWidth, digest, light, heard, seconds, problem };
  };
})()`;

/**
 * Plays the oldest recording, which has three segments at least; picture and sound must advance.
 * @param {{ evaluate: (code: string) => Promise<any> }} page
 */
async function assertPlays(page) {
  const oldest = `[...document.querySelectorAll('${PLAY}')].at(-1)`;
  await eventually(() => page.evaluate(`${oldest} !== undefined`), "there is a recording to play", PLAY_MS);
  await page.evaluate(`${oldest}.click()`);
  const hasVideo = `document.getElementById("player-video") !== null`;
  await eventually(() => page.evaluate(hasVideo), "the player is there");
  await page.evaluate(MEASURE);
  const read = () => page.evaluate("window.readPlayback()");
  const digests = new Set();
  const last = await eventuallySeen(
    async () => {
      const now = await read();
      if (now.light > 64 && now.time > 0.5) digests.add(now.digest);
      return { ...now, pictures: digests.size };
    },
    ({ time, pictures, heard, seconds }) => time > 3 && pictures > 10 && seconds > 1.5 && heard > 0.01,
    "picture and sound advance",
    PLAY_MS,
  );
  assert.ok(last.width >= 320, `${last.width}`);
  assert.equal(last.problem, "");
}

test("Chromium plays a recording", async () => {
  const { page, problems, close } = await open();
  const loaded = [];
  page.on("request", request => loaded.push(new URL(request.url()).pathname));
  await page.locator(".recording").waitFor();
  assert.ok(!loaded.some(path => path.includes("hls")), "the player is loaded when something is played");
  const row = page.locator(".recording");
  assert.equal(await row.locator(".badge").innerText(), "STOPPED");
  assert.match(await row.locator(".recording-name").innerText(), new RegExp(`^ann · ${ann.participantId}`));
  await page.locator("#search").fill("ANN");
  assert.equal(await row.count(), 1, "by user id");
  await page.locator("#search").fill("nobody");
  await eventually(async () => (await row.count()) === 0, "nothing is found", PLAY_MS);
  await page.locator("#search").fill("");
  await row.waitFor();
  assert.match(
    (await row.locator(".recording-detail").allInnerTexts()).join("\n"),
    /Main-stage\n.* · 0:\d\d/,
  );
  assert.equal(await page.locator("#recordings-found").innerText(), "1 recording, 0 active");
  await assertPlays(page);
  assert.ok(
    loaded.some(path => /\/assets\/hls\.light\.min-[\w-]+\.js$/.test(path)),
    loaded.join("\n"),
  );
  await page.locator("#player-close").click();
  await page.locator("#player-empty").waitFor();
  assert.equal(await page.locator("#player").count(), 0);
  assert.deepEqual(problems, []);
  await close();
});

test("the page fits a desk and a phone, in dark and in light", async () => {
  for (const [name, viewport, colorScheme] of /** @type {const} */ ([
    ["dark", DESKTOP, "dark"],
    ["light", DESKTOP, "light"],
    ["phone", PHONE, "dark"],
    ["phone-light", PHONE, "light"],
  ])) {
    const { page, problems, close } = await open({ viewport, colorScheme });
    const hasThumbnail = `document.querySelector("img.recording-picture")?.naturalWidth > 0`;
    await eventually(() => page.evaluate(hasThumbnail), "the row has its thumbnail", PLAY_MS);
    await page.locator(PLAY).click();
    const hasPicture = `document.getElementById("player-video")?.currentTime > 0.5`;
    await eventually(() => page.evaluate(hasPicture), "the recording plays", PLAY_MS);
    await assertFits(page);
    assert.deepEqual(await findings(page), []);
    await page.screenshot({ path: join(OUTPUT, `recordings-${name}.png`), fullPage: true });
    assert.deepEqual(problems, []);
    await close();
  }
});

test("a recording is paused and resumed, and found by the name of its stage", async () => {
  const hall = await createRecordedStage(stages, "Hall");
  const bob = await stages.token(hall, { userId: "bob" });
  const publisher = publishCard(bob.token);
  await waitForRecording(stages, hall, bob.participantId, "ACTIVE");
  const { page, problems, close } = await open();
  await page.locator("#search").fill("hall");
  const row = page.locator(".recording");
  await eventually(async () => (await row.count()) === 1, "one recording matches");
  const says = word =>
    eventually(async () => (await row.locator(".badge").innerText()) === word, `the row says ${word}`);
  await says("ACTIVE");
  await row.getByRole("button", { name: "Pause the recording of bob" }).click();
  await says("PAUSED");
  await row.getByRole("button", { name: "Resume the recording of bob" }).click();
  await says("ACTIVE");
  await publisher.leave();
  await waitForRecording(stages, hall, bob.participantId, "STOPPED");
  await says("STOPPED");
  assert.deepEqual(problems, []);
  await close();
});

test("a recording that cannot be played is not said to play", async () => {
  const { page, close } = await open();
  const play = page.getByRole("button", { name: "Play the recording of ann" });
  await play.waitFor();
  await server.pause();
  try {
    await play.click();
    await page.locator("#player-problem", { hasText: "The server does not answer." }).waitFor();
    assert.equal(await play.getAttribute("aria-pressed"), "false");
  } finally {
    await server.resume();
  }
  await page.locator("#notice").waitFor({ state: "hidden" });
  await play.click();
  const hasPicture = `document.getElementById("player-video")?.currentTime > 0.5`;
  await eventually(() => page.evaluate(hasPicture), "the recording plays", PLAY_MS);
  assert.equal(await play.getAttribute("aria-pressed"), "true");
  await close();
});

/** Why there is no Firefox, or nothing; says so, and fails in CI, where nothing is skipped. */
function whyNoFirefox() {
  if (existsSync(FIREFOX)) return undefined;
  const lacking = `there is no ${FIREFOX} (Debian package firefox-esr)`;
  console.log(`skipped: Firefox: ${lacking}`);
  assert.ok(!process.env.CI, `CI has all that this needs, but ${lacking}`);
  return lacking;
}

const skip = whyNoFirefox();

if (skip) {
  test("Firefox plays a recording", { skip }, () => {});
} else {
  /** @type {import("puppeteer-core").Browser} */
  let firefox;
  before(async () => {
    firefox = await launchFirefox({ isLoopbackUsed: true });
  });
  after(() => firefox?.close());

  test("Firefox plays a recording", async () => {
    const page = await firefox.newPage();
    const problems = [];
    page.on("pageerror", error => problems.push(`${error}`));
    await page.goto(await server.consoleUrl());
    await page.waitForSelector("#navigation");
    await page.evaluate('location.hash = "#/recordings"');
    await assertPlays(page);
    assert.deepEqual(problems, []);
    await page.close();
  });
}
