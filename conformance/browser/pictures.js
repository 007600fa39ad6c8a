/**
 * Takes a picture of every page of the console, in light and in dark: `node conformance/browser/pictures.js [--out DIR] [--width PIXELS,…]
 * [--all | --only NAME,…] [--dist]`. It starts a server on which something goes on (support/show.js), and needs Chromium and the FFmpeg of
 * `.venv`. Where a page does not become what it should be, that is said, and the exit code is 1.
 *
 * Without any flag it takes the pictures of docs/console.md: `docs/images/console/NAME-light.png` and `NAME-dark.png`, 1,440 pixels wide.
 * `--all` takes further dialogs and empty pages too. With several widths, those of each are in a folder of their own. `--dist` takes the
 * pages from js/console/dist as they are built, instead of those in the binary, which `RESTAGE_BINARY` names.
 */

import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";

import { launch } from "./support/browser.js";
import { goTo, idOf } from "./support/console.js";
import { ffmpeg } from "./support/encoder.js";
import { ROOT } from "./support/server.js";
import { Show } from "./support/show.js";
import { eventually } from "./support/wait.js";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: join(ROOT, "docs/images/console") },
    width: { type: "string", default: "1440" },
    all: { type: "boolean", default: false },
    only: { type: "string" },
    dist: { type: "boolean", default: false },
  },
});
const widths = values.width.split(",").map(Number);
const only = values.only?.split(",");
/** The pictures of docs/console.md. */
const KEPT = [
  ...["sign-in", "stages-empty", "stages", "stage", "stage-replica", "stage-delete", "token"],
  ...["sessions", "session", "participant", "replication", "replicas", "recordings", "compositions"],
  ...["ingest", "keys", "network", "join", "health", "server-away"],
];
const isWanted = name => only?.includes(name) ?? (values.all || KEPT.includes(name));

const FFMPEG = ffmpeg();
const SCHEMES = /** @type {const} */ (["light", "dark"]);
/** How high the window is: on a phone it is higher than wide. */
const heightOf = width => (width < 600 ? 780 : 900);
/** How long a busy machine may take until a page has all that is to be in its picture. */
const THERE_MS = 60_000;
/** How much of a course the charts have, of the five minutes that they have room for. */
const CHARTS_MS = 200_000;

/** @typedef {import("playwright-core").Page} Page */
/**
 * @typedef {object} Picture
 * @property {(show: Show) => string | Promise<string>} path The page, such as `stages`; or a whole address.
 * @property {(page: Page, show: Show) => Promise<unknown>} prepare Until all is there.
 * @property {boolean} [isWindow] Whether the picture ends with the window, as it should where a dialog is open.
 */

const stagePath =
  (name, ...more) =>
  show =>
    ["stages", idOf(show.arns[name]), ...more].join("/");
const sessionPath = async (show, ...more) => {
  const { activeSessionId } = (await show.stages.list()).find(({ arn }) => arn === show.arns["evening-news"]);
  return ["stages", idOf(show.arns["evening-news"]), "sessions", activeSessionId, ...more].join("/");
};
const isThere = (page, selector) => page.locator(selector).first().waitFor({ timeout: THERE_MS });
const opened = (page, name) => page.getByRole("dialog", { name }).waitFor({ timeout: THERE_MS });

/** Waits until all tiles of a page play, and their pictures have figures. */
const tilesPlay = (page, count) =>
  eventually(
    async () => {
      const texts = await page.locator(".tile-stats").allInnerTexts();
      return texts.filter(text => /fps/.test(text)).length === count;
    },
    `${count} tiles play`,
    THERE_MS,
  );

/** Waits until the console's own connections have been there for some seconds, so that they have their rates. */
const hasSettled = page =>
  page
    .locator("#connections tr", { hasText: /console.*([8-9]|\d\d) s$/ })
    .first()
    .waitFor({ timeout: THERE_MS });

/** Those of a server on which nothing is. @type {Record<string, Picture>} */
const EMPTY = {
  "sign-in": { path: ({ server }) => `${server.url}/console/`, prepare: page => isThere(page, "#key-form") },
  "stages-empty": { path: () => "stages", prepare: page => isThere(page, "#stages-empty") },
  "replication-empty": {
    path: () => "replication",
    prepare: page => page.getByText("Nothing to draw").waitFor(),
  },
  "replicas-empty": { path: () => "replicas", prepare: page => isThere(page, "#replicas-form") },
  "recordings-empty": { path: () => "recordings", prepare: page => isThere(page, "#recordings-empty") },
  "compositions-empty": {
    path: () => "compositions",
    prepare: page => isThere(page, "#compositions-empty"),
  },
  "ingest-empty": { path: () => "ingest", prepare: page => isThere(page, "#ingest-empty") },
  "keys-empty": { path: () => "keys", prepare: page => page.getByText("No public keys").waitFor() },
  "join-empty": {
    path: ({ server }) => `${server.url}/console/#/join`,
    prepare: page => page.getByText("There is no token").waitFor(),
  },
  unknown: {
    path: () => "nothing/here",
    prepare: page => page.getByText("There is no such page").waitFor(),
  },
};

/** @type {Record<string, Picture>} */
const FULL = {
  "sign-in-refused": {
    path: ({ server }) => `${server.url}/console/`,
    prepare: async page => {
      await page.getByLabel("Access key id").fill("AKIAIOSFODNN7EXAMPLE");
      await page.getByLabel("Secret access key").fill("wrong");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.locator("#sign-in-problem", { hasText: /\w{8}/ }).waitFor();
    },
  },
  stages: {
    path: () => "stages",
    prepare: page => isThere(page, ".stage .badge[data-role=REPLICA]"),
  },
  session: {
    path: show => sessionPath(show),
    prepare: page => isThere(page, "#time-line circle[data-kind=error]"),
  },
  participant: {
    path: show => sessionPath(show, show.people.anna.participantId),
    prepare: page => isThere(page, "#past-replicas tbody tr"),
  },
  stage: {
    path: stagePath("evening-news"),
    prepare: async page => {
      await tilesPlay(page, 2);
      await isThere(page, ".tile-link:has-text('estimate')");
      await hasSettled(page);
    },
  },
  "stage-replica": {
    path: stagePath("viewers-lima"),
    prepare: async page => {
      await tilesPlay(page, 2);
      await isThere(page, ".tile-link:has-text('estimate')");
      await hasSettled(page);
    },
  },
  token: {
    path: stagePath("viewers-lima"),
    isWindow: true,
    prepare: async page => {
      await page.getByRole("button", { name: /^Token for/ }).click();
      await opened(page, /^Token for/);
      await page.getByLabel("User id").fill("emil");
      await page.getByLabel("Attributes").fill("role=guest");
      await page.getByRole("button", { name: "Make token" }).click();
      await page.getByText("Join link and QR code").click();
      await page.locator(".qr").scrollIntoViewIfNeeded();
    },
  },
  "token-form": {
    path: stagePath("viewers-lima"),
    isWindow: true,
    prepare: async page => {
      await page.getByRole("button", { name: /^Token for/ }).click();
      await opened(page, /^Token for/);
    },
  },
  "stage-delete": {
    path: () => "stages",
    isWindow: true,
    prepare: async page => {
      await page.getByRole("button", { name: "Delete studio-2" }).click();
      await opened(page, /^Delete/);
    },
  },
  "stage-publish": {
    path: stagePath("rehearsal"),
    isWindow: true,
    prepare: async page => {
      await page.getByRole("button", { name: "Publish here…" }).click();
      await opened(page, /^Publish/);
    },
  },
  "stage-replicate": {
    path: stagePath("evening-news"),
    isWindow: true,
    prepare: async page => {
      await page.getByRole("button", { name: "Replicate anna in evening-news" }).click();
      await opened(page, /^Replicate/);
    },
  },
  "stage-disconnect": {
    path: stagePath("evening-news"),
    isWindow: true,
    prepare: async page => {
      await page.getByRole("button", { name: "Disconnect ben in evening-news" }).click();
      await opened(page, /^Disconnect/);
    },
  },
  sessions: { path: stagePath("evening-news", "sessions"), prepare: page => isThere(page, "tbody tr") },
  "sessions-ended": {
    path: stagePath("rehearsal", "sessions"),
    prepare: page => isThere(page, "tbody tr"),
  },
  replication: {
    path: () => "replication",
    prepare: page => page.locator(".link[data-state=ACTIVE]").nth(3).waitFor({ state: "attached" }),
  },
  "replication-stop": {
    path: () => "replication",
    isWindow: true,
    prepare: async page => {
      await page.getByRole("button", { name: "Stop ben in viewers-berlin" }).click();
      await opened(page, /^Stop/);
    },
  },
  replicas: {
    path: ({ arns, people }) =>
      `replicas?${new URLSearchParams({ stage: arns["evening-news"], participant: people.anna.participantId })}`,
    prepare: async page => {
      await page.getByLabel("MaxItems").fill("2");
      await page.getByRole("button", { name: "List replicas" }).click();
      await isThere(page, "#replicas tbody tr");
    },
  },
  recordings: {
    path: () => "recordings",
    prepare: async page => {
      await page.getByRole("button", { name: /^Play the recording of gina/ }).click();
      await eventually(
        () => page.evaluate("document.getElementById('player-video')?.currentTime > 2"),
        "the recording plays",
        THERE_MS,
      );
      await page.evaluate("document.getElementById('player-video').pause()");
      await isThere(page, ".recording-picture");
    },
  },
  compositions: {
    path: () => "compositions",
    prepare: async page => {
      await page.locator(".composed-tile[data-shows=PICTURE]").nth(1).waitFor({ timeout: THERE_MS });
      await page.locator("#composed-facts", { hasText: "Processor" }).waitFor({ timeout: THERE_MS });
    },
  },
  "compositions-start": {
    path: () => "compositions",
    isWindow: true,
    prepare: async page => {
      await page.getByRole("button", { name: "Start a composition" }).click();
      await opened(page, "Start a composition");
    },
  },
  ingest: {
    path: () => "ingest",
    prepare: async page => {
      await page.getByRole("button", { name: "Encoder settings of camera-1" }).click();
      await isThere(page, ".ingest-obs");
    },
  },
  "ingest-redundant": {
    path: () => "ingest",
    prepare: async page => {
      await page.getByRole("button", { name: "Encoder settings of main-hall" }).click();
      await isThere(page, ".ingest-obs");
    },
  },
  "ingest-create": {
    path: () => "ingest",
    isWindow: true,
    prepare: async page => {
      await page.getByRole("button", { name: "New ingest key" }).click();
      await opened(page, "New ingest key");
    },
  },
  keys: {
    path: () => "keys",
    prepare: async (page, { people }) => {
      await page.getByRole("textbox", { name: "Participant token" }).fill(people.ben.token);
      await page.getByRole("button", { name: "Inspect" }).click();
      await isThere(page, "#inspected");
      await page.getByLabel("Id of the token").fill("hopper-17");
      await page.locator("#public-keys tbody tr").nth(1).waitFor();
    },
  },
  "keys-show": {
    path: () => "keys",
    isWindow: true,
    prepare: async page => {
      await page.getByRole("button", { name: "Show backend", exact: true }).click();
      await opened(page, "backend");
    },
  },
  "keys-import": {
    path: () => "keys",
    isWindow: true,
    prepare: async page => {
      await page.getByRole("button", { name: "Import a public key" }).click();
      await opened(page, "Import a public key");
    },
  },
  network: { path: () => "network", prepare: page => isThere(page, "#network-again:enabled") },
  join: {
    path: async ({ server, stages, arns }) => {
      const { token } = await stages.token(arns["evening-news"], { userId: "emil" });
      return `${server.url}/console/#/join?token=${token}`;
    },
    prepare: page =>
      eventually(
        () =>
          page.evaluate(
            "[...document.querySelectorAll('.joined-picture')].filter(each => each.currentTime > 1).length === 2",
          ),
        "both tiles play",
        THERE_MS,
      ),
  },
};

/** The last ones, for which the page of health has been open all the time. @type {Record<string, Picture>} */
const LAST = {
  health: {
    path: () => "health",
    prepare: async page => {
      const beganMs = Number(await page.evaluate("window.beganMs"));
      await eventually(() => Date.now() - beganMs > CHARTS_MS, "the charts have a course", 2 * CHARTS_MS);
      await isThere(page, "#health-charts polyline");
      await isThere(page, "#health-doctor .finding");
    },
  },
  "server-away": {
    path: () => "stages",
    prepare: async (page, { server }) => {
      if (server.process.exitCode === null) await server.pause();
      await page.locator("#notice", { hasText: "cannot be reached" }).waitFor({ timeout: THERE_MS });
    },
  },
};

const TYPES = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html" };

/** Gives a context the pages as they are in js/console/dist. */
async function serveDist(context) {
  const dist = join(ROOT, "js/console/dist");
  // A page that does not come from this machine may not open connections to it.
  await context.grantPermissions(["local-network-access"]);
  await context.route(/\/console\/(?!api\/)/, async route => {
    const path = normalize(new URL(route.request().url()).pathname.replace("/console/", "") || "index.html");
    const body = await readFile(join(dist, path)).catch(() => undefined);
    await (body ? route.fulfill({ body, contentType: TYPES[extname(path)] }) : route.continue());
  });
}

/** Opens the page of a picture in a context of its own. */
async function openFor(browser, show, { path }) {
  const to = await path(show);
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    deviceScaleFactor: 1,
    locale: "en-GB",
  });
  if (values.dist) await serveDist(context);
  const page = await context.newPage();
  page.setDefaultTimeout(THERE_MS);
  await page.addInitScript("window.beganMs ??= Date.now()");
  const isAddress = to.startsWith("http");
  await page.goto(isAddress ? to : await show.server.consoleUrl());
  if (!isAddress) {
    await page.locator("#navigation").waitFor({ state: "attached" });
    await goTo(page, to);
  }
  return page;
}

/** Takes a picture in each width and theme. @param {string} name @param {Page} page @param {Picture} picture */
async function take(name, page, { isWindow = false }) {
  for (const width of widths) {
    const height = heightOf(width);
    await page.setViewportSize({ width, height });
    const folder = widths.length > 1 ? join(values.out, `${width}`) : values.out;
    await mkdir(folder, { recursive: true });
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.mouse.move(0, 0);
      if (!isWindow) await page.evaluate("scrollTo(0, 0)");
      // What follows the size of the window is drawn in one of the next frames.
      await page.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))",
      );
      const file = join(folder, `${name}-${colorScheme}.png`);
      const taken = await page.screenshot({ fullPage: !isWindow, scale: "css" });
      const scrolls = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth");
      await shrink(taken, file);
      if (Number(scrolls) > 0) console.log(`${file}: wider than the window by ${scrolls} pixels`);
    }
  }
  console.log(name);
}

/** Writes a picture with 256 colours, which is a third as long. @param {Buffer} taken @param {string} file */
async function shrink(taken, file) {
  const whole = `${file}.whole.png`;
  await writeFile(whole, taken);
  const filter =
    "split[a][b];[a]palettegen=stats_mode=single:reserve_transparent=0[p];[b][p]paletteuse=dither=none";
  const args = ["-v", "error", "-y", "-i", whole, "-vf", filter, "-compression_level", "100", file];
  execFileSync(FFMPEG, args);
  await rm(whole);
}

/** What a page lacks is said, and its picture is taken all the same. */
async function prepareAndTake(name, page, picture, show) {
  try {
    await picture.prepare(page, show);
  } catch (error) {
    console.error(`${name}: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
  await take(name, page, picture);
}

/** @param {Record<string, Picture>} pictures */
async function takeAll(browser, show, pictures) {
  for (const [name, picture] of Object.entries(pictures)) {
    if (!isWanted(name)) continue;
    const page = await openFor(browser, show, picture);
    await prepareAndTake(name, page, picture, show);
    await page.context().close();
  }
}

const show = await Show.open();
const browser = await launch();
try {
  await takeAll(browser, show, EMPTY);
  await show.fill(browser);
  const opening = Object.entries(LAST).filter(([name]) => isWanted(name));
  const last = [];
  for (const [name, picture] of opening)
    last.push({ name, picture, page: await openFor(browser, show, picture) });
  await takeAll(browser, show, FULL);
  for (const { name, picture, page } of last) await prepareAndTake(name, page, picture, show);
} finally {
  await browser.close();
  await show.close();
}
