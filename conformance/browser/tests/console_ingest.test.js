/** The console makes stream keys, shows them when asked, says who sends with them, and takes them away. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { GetIngestConfigurationCommand, ListIngestConfigurationsCommand } from "@aws-sdk/client-ivs-realtime";

import { findings } from "../support/axe.js";
import { launch } from "../support/browser.js";
import { assertFits, DESKTOP, openConsolePage, PHONE } from "../support/console.js";
import { encodeTo } from "../support/encoder.js";
import { freeTcpPort, OUTPUT, Server } from "../support/server.js";
import { Stages } from "../support/stages.js";
import { eventually, eventuallySeen } from "../support/wait.js";

/** How long a busy machine may take until an encoder publishes. */
const ENCODE_MS = 60_000;

/** @type {Server} */
let server;
/** @type {Stages} */
let stages;
/** @type {import("playwright-core").Browser} */
let browser;
let rtmp;

before(async () => {
  rtmp = `127.0.0.1:${await freeTcpPort()}`;
  server = await Server.start("browser_console_ingest", undefined, { flags: ["--rtmp", rtmp] });
  stages = await Stages.of(server);
  browser = await launch({});
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const open = options => openConsolePage(browser, server, "ingest", options);
const rowOf = (page, name) =>
  page.locator(".ingest", { has: page.locator(".ingest-name", { hasText: name }) });
const keyIn = locator => locator.locator("[data-stream-key]");

async function listed() {
  return (await stages.client.send(new ListIngestConfigurationsCommand({}))).ingestConfigurations;
}

async function keyOf(arn) {
  const { ingestConfiguration } = await stages.client.send(new GetIngestConfigurationCommand({ arn }));
  return ingestConfiguration.streamKey;
}

test("a key is made, hidden until it is asked for, used by an encoder, moved and deleted", async () => {
  const lobby = await stages.create("Lobby");
  const hall = await stages.create("Hall");
  const { page, problems, close } = await open();
  await page.locator("#ingest-empty").waitFor();

  await page.getByRole("button", { name: "New ingest key" }).click();
  const dialog = page.getByRole("dialog", { name: "New ingest key" });
  await dialog.getByLabel("Name (optional)").fill("studio");
  await dialog.getByLabel("Stage", { exact: true }).selectOption(lobby);
  assert.deepEqual(await findings(page), [], "the form");
  await dialog.getByLabel("User id").fill("camera");
  const attributes = dialog.getByLabel("Attributes");
  await attributes.fill("=x");
  await dialog.getByLabel("RTMP, which everybody").check();
  await dialog.getByRole("button", { name: "Make key" }).click();
  await dialog.getByText("has no key: write key=value").waitFor();
  assert.equal(await attributes.getAttribute("aria-invalid"), "true");
  await attributes.fill("role=host");
  await dialog.getByRole("button", { name: "Make key" }).click();
  await dialog.waitFor({ state: "detached" });

  const row = rowOf(page, "studio");
  await row.getByText("nobody sends", { exact: true }).waitFor();
  const [{ arn }] = await listed();
  const key = await keyOf(arn);
  // The settings of a new key are open, and the key is nowhere on the page.
  await keyIn(row).waitFor();
  assert.match(await keyIn(row).innerText(), /^•+$/);
  assert.ok(!(await page.content()).includes(key), "the key is not in the page");
  await row.getByText(`rtmp://${rtmp}/app/`, { exact: true }).waitFor();
  await page.screenshot({ path: join(OUTPUT, "ingest-desk.png"), fullPage: true });
  await page.setViewportSize(PHONE);
  await assertFits(page);
  assert.deepEqual(await findings(page), []);
  await page.screenshot({ path: join(OUTPUT, "ingest-phone.png"), fullPage: true });
  await page.setViewportSize(DESKTOP);
  await row.getByRole("button", { name: "Show the stream key" }).click();
  assert.equal(await keyIn(row).innerText(), key);
  const line = await row.locator("pre").innerText();
  assert.ok(line.endsWith(`-f flv "rtmp://${rtmp}/app/${key}"`), line);
  await row.getByRole("button", { name: "Hide the stream key" }).click();
  assert.ok(!(await page.content()).includes(key), "it is hidden again");

  const encoder = encodeTo(`rtmp://${rtmp}/app/${key}`);
  await row.getByText("an encoder sends", { exact: true }).waitFor({ timeout: ENCODE_MS });
  await row.getByText("Sends now: camera.").waitFor({ timeout: ENCODE_MS });

  // The stage stays while somebody sends, and the server says why.
  await row.getByRole("button", { name: "Stage of studio" }).click();
  const stageDialog = page.getByRole("dialog", { name: "Stage of studio" });
  assert.equal(await stageDialog.getByLabel("Stage", { exact: true }).inputValue(), lobby);
  await stageDialog.getByLabel("Stage", { exact: true }).selectOption(hall);
  await stageDialog.getByRole("button", { name: "Save" }).click();
  await eventuallySeen(
    () => stageDialog.locator("form > .problem").innerText(),
    text => text !== "",
    "the refusal is shown",
  );
  await page.keyboard.press("Escape");
  await encoder.stop();
  await row.getByText("nobody sends", { exact: true }).waitFor({ timeout: ENCODE_MS });

  const attach = async stage => {
    await row.getByRole("button", { name: "Stage of studio" }).click();
    await stageDialog.getByLabel("Stage", { exact: true }).selectOption(stage);
    await stageDialog.getByRole("button", { name: "Save" }).click();
    await stageDialog.waitFor({ state: "detached" });
  };
  await attach(hall);
  await row.getByRole("link", { name: "Hall" }).waitFor();
  assert.equal((await listed())[0].stageArn, hall);
  await attach("");
  await row.getByText("has no stage, so nobody can publish with it").waitFor();
  assert.equal((await listed())[0].stageArn, "");

  await row.getByRole("button", { name: "Delete studio" }).click();
  const sure = page.getByRole("dialog", { name: "Delete studio?" });
  await sure.getByRole("button", { name: "Cancel" }).click();
  assert.equal((await listed()).length, 1);
  await row.getByRole("button", { name: "Delete studio" }).click();
  await sure.getByRole("button", { name: "Delete studio" }).click();
  await page.locator("#ingest-empty").waitFor();
  assert.equal((await listed()).length, 0);
  // Refusals of the API are errors to the browser's console, and expected here.
  assert.deepEqual(
    problems.filter(problem => !/status of 4\d\d/.test(problem)),
    [],
  );
  await close();
});

test("a redundant key has two, and is deleted while an encoder sends with one", async () => {
  const yard = await stages.create("Yard");
  const { page, close } = await open();
  await page.getByRole("button", { name: "New ingest key" }).click();
  const dialog = page.getByRole("dialog", { name: "New ingest key" });
  await dialog.getByLabel("Name (optional)").fill("twice");
  await dialog.getByLabel("Stage", { exact: true }).selectOption(yard);
  await dialog.getByLabel("RTMP, which everybody").check();
  await dialog.getByLabel("redundant: two keys").check();
  await dialog.getByRole("button", { name: "Make key" }).click();
  const row = rowOf(page, "twice");
  await row.getByRole("heading", { name: "Encoder 2" }).waitFor();
  const keys = [];
  for (const encoder of ["Encoder 1", "Encoder 2"]) {
    await row.getByRole("button", { name: `Show the stream key of ${encoder}` }).click();
    keys.push(await keyIn(row.getByRole("region", { name: encoder })).innerText());
  }
  const [{ arn }] = await listed();
  assert.equal(new Set([...keys, await keyOf(arn)]).size, 3, "three different keys");
  const encoder = encodeTo(`rtmp://${rtmp}/app/${keys[1]}`);
  await row.getByText("an encoder sends", { exact: true }).waitFor({ timeout: ENCODE_MS });
  await row.locator("[data-senders]", { hasText: "encoder 2" }).waitFor({ timeout: ENCODE_MS });
  await row.getByRole("button", { name: "Delete twice" }).click();
  const sure = page.getByRole("dialog", { name: "Delete twice?" });
  await sure.getByText("An encoder sends with it at the moment").waitFor();
  await sure.getByRole("button", { name: "Delete twice" }).click();
  await page.locator("#ingest-empty").waitFor();
  await eventually(
    () => encoder.process.exitCode !== null || encoder.process.signalCode !== null,
    "the encoder is disconnected",
    ENCODE_MS,
  );
  await close();
});
