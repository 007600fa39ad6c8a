/** Signing in to the console with an access key: each call is signed in the browser, and the server verifies it. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

import { CreateStageCommand } from "@aws-sdk/client-ivs-realtime";

import { openPage } from "../support/browser.js";
import { goTo, idOf, openConsole } from "../support/console.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { ROOT } from "../support/server.js";
import { Stages } from "../support/stages.js";
import { eventually } from "../support/wait.js";

useScene("browser_console_signin", { closesPages: true });

/** Opens the console and enters an access key. */
async function signIn(accessKeyId, secretAccessKey, { region = "", options = {} } = {}) {
  const opened = await openConsole(browser, `${server.url}/console/`, options);
  await enter(opened.page, accessKeyId, secretAccessKey, region);
  return opened;
}

async function enter(page, accessKeyId, secretAccessKey, region = "") {
  await page.getByLabel("Access key id").fill(accessKeyId);
  await page.getByLabel("Secret access key").fill(secretAccessKey);
  await page.getByLabel("Region").fill(region);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Makes an access key with the command that operators use. */
function makeKey(accountId, permission = "full") {
  const binary = process.env.RESTAGE_BINARY ?? join(ROOT, "target", "debug", "restage");
  const flags = ["--data-dir", server.dataDir, "--account-id", accountId, "--permission", permission];
  const text = execFileSync(binary, ["keys", "create", ...flags], { encoding: "utf8" });
  const value = name => new RegExp(`${name}\\s*=\\s*(\\S+)`, "i").exec(text)?.[1] ?? "";
  return { accessKeyId: value("aws_access_key_id"), secretAccessKey: value("aws_secret_access_key") };
}

test("an access key opens every page, and nothing of it is kept", async () => {
  const arn = await stages.create("Signed");
  const { accessKeyId, secretAccessKey } = await server.credentials();
  const { page, problems } = await openConsole(browser, `${server.url}/console/`);
  const sent = [];
  page.on("request", request => sent.push(request));
  await enter(page, accessKeyId, secretAccessKey, "eu-west-1");
  await page.locator(`.stage[data-stage="${arn}"]`).waitFor();
  // Created straight by the operation, in the Region that was entered.
  await page.getByLabel("New stage's name").fill("by-signature");
  await page.keyboard.press("Enter");
  await page.locator("#new-stage-done", { hasText: "Created by-signature" }).waitFor();
  assert.ok((await stages.list()).some(each => each.name === "by-signature"));
  const paths = sent.map(request => new URL(request.url()).pathname);
  assert.ok(paths.includes("/CreateStage") && paths.includes("/ListStages"));
  assert.ok(!paths.some(path => path.startsWith("/console/api/call/")));
  for (const request of sent.filter(each => /\/(console\/api\/|[A-Z])/.test(each.url()))) {
    assert.match((await request.allHeaders()).authorization ?? "", /^AWS4-HMAC-SHA256 Credential=/);
    assert.doesNotMatch(`${request.url()}${request.postData()}`, new RegExp(secretAccessKey));
  }
  const kept = await page.evaluate(
    "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])",
  );
  assert.ok(!kept.includes(secretAccessKey) && !kept.includes(accessKeyId), kept);
  assert.deepEqual(problems, []);
  await page.reload();
  await page.getByRole("heading", { name: "This console is locked" }).waitFor();
});

test("media is watched, replicated and counted with a signature", async () => {
  const source = await stages.create("Signed-source");
  const destination = await stages.create("Signed-destination");
  const ann = await stages.token(source, { userId: "Ann" });
  await openPage(browser, site, `card.html#name=Ann&token=${ann.token}`);
  await stages.waitFor(source, ann.participantId, "CONNECTED");
  await stages.replicate(source, destination, ann.participantId);
  const { accessKeyId, secretAccessKey } = await server.credentials();
  const { page } = await signIn(accessKeyId, secretAccessKey);
  await page.locator(`.stage[data-stage="${destination}"]`).waitFor();
  await goTo(page, `stages/${idOf(destination)}`);
  await eventually(
    async () => (await page.locator(".tile[data-state=live]").count()) === 2,
    "source and replica are live",
  );
  await page.locator("#connections tbody tr", { hasText: "watches" }).first().waitFor();
  await goTo(page, "network");
  await page.locator("#network-status", { hasText: "best path" }).waitFor();
});

test("a key that is wrong is refused with the server's reason, and may be corrected", async () => {
  const { accessKeyId, secretAccessKey } = await server.credentials();
  const { page } = await signIn("AKIAIOSFODNN7NOTHERE", secretAccessKey);
  await page.locator("#sign-in-problem", { hasText: /\w{8}/ }).waitFor();
  // The id is there to be mended; the secret is not kept.
  assert.equal(await page.getByLabel("Access key id").inputValue(), "AKIAIOSFODNN7NOTHERE");
  assert.equal(await page.getByLabel("Secret access key").inputValue(), "");
  await enter(page, accessKeyId, `${secretAccessKey}x`);
  await page.locator("#sign-in-problem", { hasText: /signature/i }).waitFor();
  await enter(page, accessKeyId, secretAccessKey);
  await page.locator("nav").waitFor();
});

test("a key that may only read is signed in, and is told what it may not", async () => {
  const arn = await stages.create("Read-only");
  const { accessKeyId, secretAccessKey } = makeKey(arn.split(":")[4], "read-only");
  const { page } = await signIn(accessKeyId, secretAccessKey, { region: "eu-west-1" });
  await page.locator(`.stage[data-stage="${arn}"]`).waitFor();
  await page.getByLabel("New stage's name").fill("forbidden");
  await page.keyboard.press("Enter");
  await page.locator("#new-stage [role=alert]", { hasText: /may not call CreateStage/ }).waitFor();
  await goTo(page, "network");
  await page.locator("#network-problem", { hasText: /may not call CreateStage/ }).waitFor();
});

test("a device whose clock is wrong signs with the server's time", async () => {
  const arn = await stages.create("Clockwork");
  const { accessKeyId, secretAccessKey } = await server.credentials();
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(() => {
    const hours = 5 * 3_600_000;
    const RealDate = Date;
    const now = () => RealDate.now() + hours;
    window.Date = class extends RealDate {
      constructor(...given) {
        super(...(given.length === 0 ? [now()] : given));
      }
      static now() {
        return now();
      }
    };
  });
  await page.goto(`${server.url}/console/`);
  await enter(page, accessKeyId, secretAccessKey);
  await page.locator(`.stage[data-stage="${arn}"]`).waitFor();
});

test("stages of other Regions are shown and changed with a signature of theirs", async () => {
  const tokyo = await Stages.of(server, "ap-northeast-1");
  const { stage } = await tokyo.client.send(new CreateStageCommand({ name: "Tokyo" }));
  const { accessKeyId, secretAccessKey } = await server.credentials();
  const { page } = await signIn(accessKeyId, secretAccessKey, { region: "eu-west-1" });
  const row = page.locator(`.stage[data-stage="${stage?.arn}"]`);
  await row.waitFor();
  await page.getByRole("button", { name: "Delete Tokyo" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete Tokyo" }).click();
  await row.waitFor({ state: "detached" });
  assert.ok(!(await tokyo.list()).some(each => each.arn === stage?.arn));
});

test("a key of another account sees and changes what is its own", async () => {
  const arn = await stages.create("Theirs");
  const { accessKeyId, secretAccessKey } = makeKey("210987654321");
  const { page } = await signIn(accessKeyId, secretAccessKey);
  await page.getByText("No stages yet").waitFor();
  await page.getByLabel("New stage's name").fill("ours");
  await page.keyboard.press("Enter");
  const row = page.locator(".stage");
  await row.waitFor();
  assert.match((await row.getAttribute("data-stage")) ?? "", /:210987654321:stage\//);
  await goTo(page, `stages/${idOf(arn)}`);
  await page.getByText("There is no such stage").waitFor();
});

test("signing out forgets the session", async () => {
  await stages.create("Gone");
  const { page } = await openConsole(browser, await server.consoleUrl());
  await page.locator(".stage").first().waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.locator("#key-form").waitFor();
  assert.equal(await page.getByLabel("Access key id").inputValue(), "");
  assert.equal(await page.locator(".stage").count(), 0);
  await page.reload();
  await page.locator("#key-form").waitFor();
});

/** Follows a link within the page. */
const follow = (page, hash) =>
  page.evaluate(to => {
    location.hash = to;
  }, hash);

test("a key in the address does not end a session that works, unless somebody says so", async () => {
  const arn = await stages.create("Kept");
  const { accessKeyId, secretAccessKey } = await server.credentials();
  const { page } = await signIn(accessKeyId, secretAccessKey);
  await page.locator(`.stage[data-stage="${arn}"]`).waitFor();
  await goTo(page, `stages/${idOf(arn)}`);
  await follow(page, "#key=AAAAAAAAAAAAAAAAAAAAAAAA");
  const question = page.getByRole("dialog", { name: "Sign out, and use the key of the link?" });
  await question.getByText(accessKeyId).waitFor();
  await question.getByRole("button", { name: "Cancel" }).click();
  await question.waitFor({ state: "detached" });
  // The page is as it was, and calls are signed as before.
  assert.equal(await page.evaluate("location.hash"), `#/stages/${idOf(arn)}`);
  await page.getByRole("heading", { level: 1, name: "Kept" }).waitFor();
  const signed = await page.waitForRequest(request => request.url().endsWith("/console/api/state"));
  assert.match((await signed.allHeaders()).authorization ?? "", /^AWS4-HMAC-SHA256/);
  assert.equal(await page.evaluate("sessionStorage.getItem('restage-console-key')"), null);
  // The server's own key is taken, when somebody wants it.
  await follow(page, new URL(await server.consoleUrl()).hash);
  await question.getByRole("button", { name: "Use the key" }).click();
  await question.waitFor({ state: "detached" });
  const carried = await page.waitForRequest(
    async request =>
      request.url().endsWith("/console/api/state") &&
      /^Bearer /.test((await request.allHeaders()).authorization ?? ""),
  );
  assert.equal((await carried.response())?.status(), 200);
  await page.getByRole("heading", { level: 1, name: "Kept" }).waitFor();
  // The same key once more is no question.
  await follow(page, new URL(await server.consoleUrl()).hash);
  await page.waitForFunction("!location.hash.includes('key=')");
  assert.equal(await question.count(), 0);
});

test("a key in the address of a tab that has one is asked about, and is taken if the old one is refused", async () => {
  await stages.create("Tab");
  const own = await server.consoleUrl();
  const { page } = await openConsole(browser, own);
  await page.locator(".stage").first().waitFor();
  const kept = () => page.evaluate("sessionStorage.getItem('restage-console-key')");
  const key = await kept();
  const forged = `${server.url}/console/?other#key=AAAAAAAAAAAAAAAAAAAAAAAA`;
  await page.goto(forged);
  const question = page.getByRole("dialog", { name: "Sign out, and use the key of the link?" });
  await question.getByRole("button", { name: "Cancel" }).click();
  await page.locator(".stage").first().waitFor();
  assert.equal(await kept(), key);
  // A key that was valid once, as after console.key was removed.
  await page.evaluate("sessionStorage.setItem('restage-console-key', 'BBBBBBBBBBBBBBBBBBBBBBBB')");
  await page.goto(`${server.url}/console/?again${new URL(own).hash}`);
  await page.locator(".stage").first().waitFor();
  assert.equal(await kept(), key);
  assert.equal(await question.count(), 0);
});

test("the console's own calls refuse a signature of another body or without a known key", async () => {
  const { origin } = new URL(server.url);
  for (const authorization of [
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261130/eu-west-1/ivs/aws4_request, SignedHeaders=host;x-amz-date, Signature=00",
    "AWS4-HMAC-SHA256 nonsense",
  ]) {
    const answer = await fetch(`${origin}/console/api/state`, {
      headers: { authorization, "x-amz-date": "20261130T120000Z" },
    });
    assert.equal(answer.status, 403, await answer.clone().text());
    assert.doesNotMatch(await answer.text(), /participants/);
  }
});
