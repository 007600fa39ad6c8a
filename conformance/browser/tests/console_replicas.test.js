/** The table of replicas: it paginates as boto3 does, and the lines it shows for boto3 and the AWS CLI print the same. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { promisify } from "node:util";

import { ListParticipantReplicasCommand } from "@aws-sdk/client-ivs-realtime";

import { openPage } from "../support/browser.js";
import { goTo, idOf, openConsole } from "../support/console.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { ROOT } from "../support/server.js";
import { eventually } from "../support/wait.js";

const run = promisify(execFile);
const BIN = join(ROOT, ".venv", "bin");
/** Replicas: more than a page of the tests, and not a multiple of it. */
const REPLICAS = 11;

let source;
let participantId;

useScene("browser_console_replicas", {
  prepare: async () => {
    source = await stages.create("Table-source");
    const ann = await stages.token(source, { userId: "Ann" });
    participantId = ann.participantId;
    await openPage(browser, site, `card.html#name=Ann&token=${ann.token}`);
    await stages.waitFor(source, participantId, "CONNECTED");
    for (let number = 0; number < REPLICAS; number++) {
      const destination = await stages.create(`table-${number}`);
      await stages.replicate(source, destination, participantId);
      if (number % 4 === 0) await stages.stop(source, destination, participantId);
    }
  },
});

/** The publisher's page stays; those of the console go with each test. @type {(() => Promise<void>)[]} */
const closing = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function openTable() {
  const opened = await openConsole(browser, await server.consoleUrl());
  closing.push(opened.close);
  await opened.page.locator(".stage").first().waitFor();
  await goTo(opened.page, `replicas?${new URLSearchParams({ stage: source, participant: participantId })}`);
  await opened.page.getByRole("button", { name: "List replicas" }).waitFor();
  return opened;
}

/** Lists with these wishes, and returns the ids and states that are shown, and the token. */
async function list(page, { maxItems = "", pageSize = "", startingToken = "" } = {}) {
  await page.getByLabel("MaxItems").fill(maxItems);
  await page.getByLabel(/^PageSize/).fill(pageSize);
  await page.getByLabel("StartingToken").fill(startingToken);
  const answered = page.waitForResponse(response => response.url().includes("ListParticipantReplicas"));
  await page.getByRole("button", { name: "List replicas" }).click();
  await answered;
  await page.waitForFunction(
    token => document.querySelector("[aria-label='AWS CLI'] code")?.textContent?.includes(token),
    startingToken ? "--starting-token" : "list-participant-replicas",
  );
  return shown(page);
}

async function shown(page) {
  await page.locator("#replicas tbody tr").first().waitFor();
  const rows = await page.locator("#replicas tbody tr").all();
  const found = [];
  for (const row of rows) {
    const cells = await row.locator("td").allInnerTexts();
    found.push(`${cells[0].split(/\s+/).at(-1)} ${cells[1]}`);
  }
  const token = page.locator("#next-token");
  return { rows: found, token: (await token.count()) > 0 ? await token.innerText() : undefined };
}

/** The environment that `restage env` sets. */
async function environment() {
  const { accessKeyId, secretAccessKey } = await server.credentials();
  return { ...process.env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
}

/** What the lines for boto3 print, as the table shows it. */
async function runBoto3(page) {
  const lines = (await page.locator("[aria-label=boto3] code").textContent()) ?? "";
  const { stdout } = await run(join(BIN, "python"), ["-c", lines], { env: await environment() });
  const printed = stdout.trim().split("\n");
  const token = printed.pop();
  const rows = printed.map(line => {
    const [arn = "", state] = line.split(" ");
    return `${idOf(arn)} ${state}`;
  });
  return { rows, token: token === "None" ? undefined : token };
}

/** The same of the lines for the AWS CLI, which a shell runs. */
async function runCli(page) {
  const lines = (await page.locator("[aria-label='AWS CLI'] code").textContent()) ?? "";
  const env = { ...(await environment()), PATH: `${BIN}:${process.env.PATH}`, AWS_PAGER: "" };
  const { stdout } = await run("sh", ["-c", lines], { env });
  const { replicas, NextToken } = JSON.parse(stdout);
  return {
    rows: replicas.map(each => `${idOf(each.destinationStageArn)} ${each.replicationState}`),
    token: NextToken,
  };
}

test("the whole list, in boto3, in the CLI and here", async () => {
  const { page, problems } = await openTable();
  const all = await list(page);
  assert.equal(all.rows.length, REPLICAS);
  assert.equal(all.rows.filter(row => row.endsWith("STOPPED")).length, 3);
  assert.equal(all.token, undefined);
  assert.deepEqual(await runBoto3(page), all);
  assert.deepEqual(await runCli(page), all);
  assert.match(
    await page.locator("#replicas-count").innerText(),
    /^11 replicas in 1 request; the list is complete\.$/,
  );
  assert.deepEqual(problems, []);
});

test("a list that is cut within a page goes on from its token, here and in boto3", async () => {
  const { page } = await openTable();
  const all = await list(page);
  const first = await list(page, { maxItems: "5", pageSize: "3" });
  assert.deepEqual(first.rows, all.rows.slice(0, 5));
  assert.match(await page.locator("#replicas-count").innerText(), /in 2 requests; there are more/);
  // The place in the page is in the token, which is botocore's to the letter.
  assert.deepEqual(await runBoto3(page), first);
  assert.deepEqual(await runCli(page), first);
  const place = JSON.parse(`${Buffer.from(first.token ?? "", "base64")}`);
  assert.equal(place.boto_truncate_amount, 2);
  await page.getByRole("button", { name: "Go on from here" }).click();
  await page.waitForFunction(
    text => document.querySelector("#replicas tbody code")?.textContent === text,
    all.rows[5].split(" ")[0],
  );
  const second = await shown(page);
  assert.deepEqual(second.rows, all.rows.slice(5, 10));
  assert.deepEqual(await runBoto3(page), second);
  const third = await list(page, { maxItems: "5", pageSize: "3", startingToken: second.token });
  assert.deepEqual(third, { rows: all.rows.slice(10), token: undefined });
  assert.deepEqual(await runCli(page), third);
});

test("a list that ends with a page has the token of the next one", async () => {
  const { page } = await openTable();
  const first = await list(page, { maxItems: "4", pageSize: "4" });
  assert.ok(!("boto_truncate_amount" in JSON.parse(`${Buffer.from(first.token ?? "", "base64")}`)));
  assert.deepEqual(await runBoto3(page), first);
  const within = await list(page, { maxItems: "2", pageSize: "4" });
  assert.match(
    `${Buffer.from(within.token ?? "", "base64")}`,
    /^\{"nextToken": null, "boto_truncate_amount": 2\}$/,
  );
  assert.deepEqual(await runBoto3(page), within);
});

test("what cannot be listed says so", async () => {
  const { page } = await openTable();
  const form = page.locator("#replicas-form");
  const problem = form.getByRole("alert");
  await page.getByLabel("StartingToken").fill(Buffer.from('{"other": 1}').toString("base64"));
  await page.getByRole("button", { name: "List replicas" }).click();
  await problem.filter({ hasText: "not the NextToken" }).waitFor();
  await page.getByLabel("StartingToken").fill("nonsense");
  await page.getByRole("button", { name: "List replicas" }).click();
  await problem.filter({ hasText: /nextToken/ }).waitFor();
  await page.getByLabel("StartingToken").fill("");
  await page.getByLabel("Participant id").fill("");
  await page.getByRole("button", { name: "List replicas" }).click();
  await problem.filter({ hasText: "Choose the participant" }).waitFor();
  assert.equal(await page.getByLabel("Participant id").getAttribute("aria-invalid"), "true");
});

test("the lines are copied", async () => {
  const { page } = await openTable();
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await list(page, { maxItems: "3" });
  for (const [name, expected] of [
    ["boto3", /"MaxItems": 3/],
    ["AWS CLI", /--max-items 3/],
    ["Rust", /\.max_items\(3\)/],
  ]) {
    await page.getByRole("button", { name: `Copy the lines for ${name}` }).click();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), expected);
  }
});

test("the page size goes as far as the service does", async () => {
  const { page } = await openTable();
  await list(page, { pageSize: "50" });
  const field = page.getByLabel("PageSize (1 to 50)");
  await field.fill("51");
  assert.ok(await field.evaluate(each => !(/** @type {HTMLInputElement} */ (each).checkValidity())));
  await assert.rejects(
    stages.client.send(
      new ListParticipantReplicasCommand({ sourceStageArn: source, participantId, maxResults: 51 }),
    ),
    /maxResults/,
  );
});

test("another address of a page that is shown is another page, and the way back too", async () => {
  const { page } = await openTable();
  const field = page.getByLabel("Participant id");
  const holds = id => eventually(async () => (await field.inputValue()) === id, `the field has ${id}`);
  await holds(participantId);
  await goTo(page, `replicas?${new URLSearchParams({ stage: source, participant: "xyz" })}`);
  await holds("xyz");
  await page.goBack();
  await holds(participantId);
  await goTo(page, "stages?find=table-7");
  const search = page.getByLabel("Find a stage or a participant");
  await eventually(async () => (await search.inputValue()) === "table-7", "it is searched for");
  await goTo(page, "stages?find=table-8");
  await eventually(async () => (await search.inputValue()) === "table-8", "another one is searched for");
  await eventually(async () => (await page.locator(".stage").count()) === 1, "one is found");
});
