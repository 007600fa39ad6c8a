/** Names, attributes and tags that others choose: however long they are and whatever is in them, they stay in their places and are seen. */

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";

import {
  CreateIngestConfigurationCommand,
  CreateStageCommand,
  ImportPublicKeyCommand,
} from "@aws-sdk/client-ivs-realtime";

import { findings } from "../support/axe.js";
import { assertFits, goTo, idOf, openConsole } from "../support/console.js";
import { publishCard } from "../support/recording.js";
import { browser, server, stages, useScene } from "../support/scene.js";
import { OUTPUT } from "../support/server.js";
import { eventually } from "../support/wait.js";

const WIDTHS = [360, 768, 800, 1280, 1920];
/** A row of a table beside others, in pixels: some lines of text. */
const ROW_MAX = 150;

const LONG = "W".repeat(128);
/** Attributes together have a kilobyte. */
const NOTE = "v".repeat(990);
/** Shown backwards as `exe.jpg`, if nobody sees to it. */
const TURNED = "\u202Egpj.exe";
const HIDDEN = "\u200B\u2060";
const FAMILY = "👩\u200D👩\u200D👧";
const ARABIC = "أحمد 1";
/** What no page may have in its texts. */
const FORBIDDEN =
  "[\\u061C\\u200B\\u200E\\u200F\\u2028-\\u202E\\u2060-\\u206F\\uFEFF\\u0000-\\u0008\\u000E-\\u001F\\u007F-\\u009F]";

let hall;
let annex;
let session;
/** @type {Record<string, {participantId: string, token: string}>} */
const people = {};
/** @type {{ leave(): Promise<void> }[]} */
const cards = [];

async function createStage(name) {
  const tags = { "\u202Eyek": `${"t".repeat(200)}`, plain: TURNED };
  return (await stages.client.send(new CreateStageCommand({ name, tags }))).stage.arn;
}

useScene("browser_console_names", {
  prepare: async () => {
    hall = await createStage("N".repeat(128));
    annex = await createStage("M".repeat(128));
    const all = { long: LONG, turned: TURNED, hidden: HIDDEN, family: FAMILY, arabic: ARABIC };
    for (const [name, userId] of Object.entries(all)) {
      const attributes = name === "long" ? { note: NOTE } : { "\u2066key": TURNED };
      people[name] = await stages.token(hall, { userId, attributes });
    }
    for (const name of ["long", "turned", "hidden"]) {
      cards.push(publishCard(people[name].token, ["--size", "360p", "--fps", "5"], "ignore"));
      await stages.waitFor(hall, people[name].participantId, "CONNECTED");
    }
    for (const name of ["long", "turned"]) {
      await stages.replicate(hall, annex, people[name].participantId);
    }
    const ingest = { ingestProtocol: "RTMPS", stageArn: hall };
    await stages.client.send(
      new CreateIngestConfigurationCommand({ ...ingest, name: "I".repeat(128), userId: LONG }),
    );
    await stages.client.send(new CreateIngestConfigurationCommand({ ...ingest, userId: TURNED }));
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
    const publicKeyMaterial = publicKey.export({ type: "spki", format: "pem" }).toString();
    await stages.client.send(new ImportPublicKeyCommand({ publicKeyMaterial, name: "K".repeat(128) }));
    session = (await stages.list()).find(({ arn }) => arn === hall).activeSessionId;
  },
});

after(async () => {
  for (const card of cards) await card.leave();
});

/** @type {(() => Promise<void>)[]} */
const closing = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Opens the console. Recordings and compositions are as the server would tell them of such participants. */
async function open() {
  const opened = await openConsole(browser, await server.consoleUrl());
  closing.push(opened.close);
  const { page } = opened;
  const answer = (path, json) => page.route(path, route => route.fulfill({ json }));
  const creationTime = new Date().toISOString();
  await answer("**/call/ListRecordings?*", {
    recordings: [LONG, TURNED, HIDDEN].map((userId, at) => ({
      recordingId: `recording${at}`,
      stageArn: hall,
      stageName: "N".repeat(128),
      participantId: `participant${at}`,
      userId,
      recordingState: "FAILED",
      errorCode: "X",
      errorMessage: `${LONG} ${TURNED}`,
      paused: false,
      mediaTypes: ["VIDEO"],
      thumbnailStorage: [],
      creationTime,
    })),
  });
  const arn = `${hall.slice(0, hall.indexOf(":stage/"))}:composition/abcdefghijkl`;
  const destination = { id: "destination1", state: "ACTIVE" };
  await answer("**/call/ListCompositions?*", {
    compositions: [
      {
        arn,
        stageArn: hall,
        state: "ACTIVE",
        startTime: creationTime,
        tags: { [TURNED]: LONG },
        destinations: [destination],
      },
    ],
  });
  await answer("**/call/GetComposition?*", {
    composition: {
      layout: { grid: { videoAspectRatio: "VIDEO", gridGap: 2, featuredParticipantAttribute: LONG } },
      destinations: [{ id: "destination1", configuration: { name: LONG } }],
    },
  });
  const box = { y: 0, width: 640, height: 720, z: 0, shows: "NAME", sourceWidth: null, sourceHeight: null };
  await answer("**/console/api/compositions?*", {
    channelArns: [],
    compositions: [
      {
        arn,
        state: "ACTIVE",
        failure: null,
        destinations: [
          {
            ...destination,
            bucket: LONG,
            prefix: LONG,
            video: {},
            failure: { code: "X", reason: `${LONG} ${TURNED}` },
          },
        ],
        live: {
          composingMs: 1000,
          encodings: [
            {
              ...{ width: 1280, height: 720, framerate: 30, bitrate: 2_500_000, picturesPerSecond: 30 },
              tiles: [LONG, TURNED].map((userId, at) => ({
                ...box,
                x: at * 640,
                participantId: `p${at}`,
                userId,
                reason: { code: "STOPPED", text: "no picture" },
              })),
            },
          ],
          health: {
            inputs: 2,
            lateTicks: 0,
            skippedPictures: 0,
            undecodable: 0,
            restarts: 0,
            lastRestart: null,
            recent: null,
          },
        },
      },
    ],
  });
  await page.locator("#navigation").waitFor({ state: "attached" });
  return opened;
}

const participant = name => `stages/${idOf(hall)}/sessions/${session}/${people[name].participantId}`;

/** Each page, and what is there once it is complete. @type {[path: () => string, selector: string][]} */
const PAGES = [
  [() => "stages", ".stage .badge[data-role=REPLICA]"],
  [() => `stages/${idOf(hall)}`, ".tile-name"],
  [() => `stages/${idOf(annex)}`, "#connections tbody tr"],
  [() => `stages/${idOf(hall)}/sessions`, "tbody tr"],
  [() => `stages/${idOf(hall)}/sessions/${session}`, "#time-line [data-event]"],
  [() => participant("long"), "#past-replicas tbody tr"],
  [() => participant("turned"), "#past-replicas tbody tr"],
  [() => "replication", "#links tbody tr:nth-child(2)"],
  [() => "recordings", ".recording"],
  [() => "compositions", ".composed-person"],
  [() => "ingest", ".ingest:nth-child(2)"],
  [() => "keys", "#public-keys tbody tr"],
];

async function visit(page, path, selector) {
  await goTo(page, path());
  await page.locator(selector).first().waitFor({ state: "attached" });
}

/** Rows of tables that are higher than some lines, where their cells are beside each other. */
const highRows = page =>
  page.evaluate(
    most =>
      [...document.querySelectorAll("tbody tr")]
        .filter(row => getComputedStyle(row).display === "table-row")
        .map(row => Math.round(row.getBoundingClientRect().height))
        .filter(height => height > most),
    ROW_MAX,
  );

/** Texts of the picture of replications that leave their box. */
const outOfBoxes = page =>
  page.evaluate(() =>
    [...document.querySelectorAll(".graph .box")].flatMap(box => {
      const { right } = /** @type {Element} */ (box.querySelector(".box-frame")).getBoundingClientRect();
      return [...box.querySelectorAll("text")]
        .filter(text => text.getBoundingClientRect().right > right)
        .map(text => text.textContent);
    }),
  );

test("names of 128 letters and attributes of a kilobyte fit on every page in every width", async () => {
  const { page, problems } = await open();
  for (const [path, selector] of PAGES) {
    await visit(page, path, selector);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      await assertFits(page).catch(error => assert.fail(`${path()} at ${width}: ${error.message}`));
      assert.deepEqual(await highRows(page), [], `rows of ${path()} at ${width}`);
    }
    await page.screenshot({
      path: join(OUTPUT, `console-names-${path().replaceAll("/", "-")}.png`),
      fullPage: true,
    });
    assert.deepEqual(await outOfBoxes(page), []);
    assert.deepEqual(await findings(page), [], path());
  }
  assert.deepEqual(problems, []);
});

test("names of 128 letters fit in dialogs, in the table of replicas, and where somebody joins", async () => {
  const { page } = await open();
  const fits = async what => {
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      await assertFits(page).catch(error => assert.fail(`${what} at ${width}: ${error.message}`));
    }
  };
  await visit(page, () => `stages/${idOf(hall)}`, ".tile-name");
  for (const name of [/^Token for/, /^Delete/, /^Replicate W/, /^Disconnect W/, /^Publish here/]) {
    await page.getByRole("button", { name }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await fits(`${name}`);
    const inner = await dialog.evaluate(each => each.scrollWidth - each.clientWidth);
    assert.ok(inner <= 0, `${name} is wider than its dialog by ${inner}`);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
  }
  await goTo(
    page,
    `replicas?${new URLSearchParams({ stage: hall, participant: people.long.participantId })}`,
  );
  await page.getByRole("button", { name: "List replicas" }).click();
  await page.locator("#replicas tbody tr").waitFor();
  await fits("replicas");
  await goTo(page, "stages");
  await page.getByLabel("New stage's name").fill("O".repeat(128));
  await page.keyboard.press("Enter");
  await page.locator("#new-stage-done", { hasText: "Created" }).waitFor();
  await fits("a stage was made");
  await goTo(page, "keys");
  await page.getByRole("textbox", { name: "Participant token" }).fill(people.long.token);
  await page.getByRole("button", { name: "Inspect" }).click();
  await page.locator("#inspected").waitFor();
  await fits("inspected");
  await page.goto(`${server.url}/console/#/join?token=${(await stages.token(hall, { userId: LONG })).token}`);
  await page.getByRole("heading", { name: "Join as WW" }).waitFor();
  await page.locator(".joined-tile").first().waitFor();
  await fits("join");
});

/** Texts and spoken attributes of the page that have what turns or hides others. */
const hiddenIn = page =>
  page.evaluate(pattern => {
    const forbidden = new RegExp(pattern, "u");
    const texts = [document.title];
    for (const element of document.body.querySelectorAll("*")) {
      for (const name of ["title", "aria-label", "label", "alt"])
        texts.push(element.getAttribute(name) ?? "");
      for (const node of element.childNodes) if (node.nodeType === 3) texts.push(node.textContent ?? "");
    }
    return texts.filter(text => forbidden.test(text));
  }, FORBIDDEN);

test("what turns or hides text is shown as a mark on every page, and every link has a text", async () => {
  const { page } = await open();
  for (const [path, selector] of PAGES) {
    await visit(page, path, selector);
    assert.deepEqual(await hiddenIn(page), [], path());
    assert.deepEqual(await findings(page), [], path());
  }
  await visit(page, () => `stages/${idOf(hall)}`, ".tile-name");
  const text = name =>
    page.locator(`.participant[data-participant="${people[name].participantId}"] .participant-name`);
  assert.match(await text("turned").innerText(), /^\uFFFDgpj\.exe/);
  assert.match(await text("hidden").innerText(), /^\uFFFD\uFFFD/);
  await page.getByRole("button", { name: "Disconnect \uFFFDgpj.exe in" }).click();
  await page.getByRole("dialog", { name: "Disconnect \uFFFDgpj.exe?" }).waitFor();
  assert.deepEqual(await hiddenIn(page), [], "a dialog");
  await page.keyboard.press("Escape");
  await goTo(page, participant("hidden"));
  await page.getByRole("heading", { level: 1, name: "\uFFFD\uFFFD" }).waitFor();
  assert.equal(await page.title(), "\uFFFD\uFFFD · restage");
  // What a link says is no better.
  await goTo(page, `stages/${encodeURIComponent(TURNED)}`);
  await page.getByRole("heading", { level: 1, name: "\uFFFDgpj.exe" }).waitFor();
  assert.deepEqual(await hiddenIn(page), [], "an id of the address");
  // A token that is looked at.
  await goTo(page, "keys");
  await page.getByRole("textbox", { name: "Participant token" }).fill(people.turned.token);
  await page.getByRole("button", { name: "Inspect" }).click();
  await page.locator("#inspected").getByText("\uFFFDgpj.exe").first().waitFor();
  assert.deepEqual(await hiddenIn(page), [], "a token");
  await page.goto(`${server.url}/console/#/join?token=${people.turned.token}`);
  await page.getByRole("heading", { name: "Join as \uFFFDgpj.exe" }).waitFor();
  assert.deepEqual(await hiddenIn(page), [], "where somebody joins");
});

test("emoji stay whole, a name of blanks is an id, and a script from the right turns nothing around it", async () => {
  const { page } = await open();
  const blank = await stages.token(hall, { userId: "\u00A0\u3000\u200D" });
  for (const { token } of [people.family, people.arabic, blank]) {
    cards.push(publishCard(token, ["--size", "360p", "--fps", "5"], "ignore"));
  }
  for (const { participantId } of [people.family, people.arabic, blank]) {
    await stages.waitFor(hall, participantId, "CONNECTED");
  }
  await visit(page, () => `stages/${idOf(hall)}/sessions/${session}`, "tbody tr");
  await eventually(async () => (await page.locator("tbody tr").count()) >= 6, "all are listed");
  const link = name => page.locator(`a[href$="/${name}"]`).first();
  assert.equal(await link(people.family.participantId).innerText(), FAMILY);
  assert.equal(await link(blank.participantId).innerText(), blank.participantId);
  await visit(page, () => `stages/${idOf(hall)}`, ".tile-name");
  const row = page.locator(`.participant[data-participant="${people.arabic.participantId}"]`);
  await row.waitFor();
  const isolation = await row.locator(".participant-name > :first-child").evaluate(name => ({
    text: name.textContent,
    bidi: getComputedStyle(name).unicodeBidi,
  }));
  assert.deepEqual(isolation, { text: ARABIC, bidi: "isolate" });
});
