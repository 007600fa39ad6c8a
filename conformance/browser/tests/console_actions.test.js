/** The console's actions: stages, tokens, replications and participants. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { GetStageCommand } from "@aws-sdk/client-ivs-realtime";

import { openPage } from "../support/browser.js";
import { assertFits, goTo, idOf, openConsole, openStage, PHONE } from "../support/console.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { OUTPUT } from "../support/server.js";
import { Stages } from "../support/stages.js";
import { eventually } from "../support/wait.js";

useScene("browser_console_actions", { closesPages: true });

/** More stages than the console loads at first. */
const MANY = 230;

/** More viewers than the console shows of a stage. */
const CROWD = 110;

const open = async (options = {}) => openConsole(browser, await server.consoleUrl(), options);

const openAt = async (arn, options = {}) => openStage(browser, await server.consoleUrl(), arn, options);

const card = (page, arn) => page.locator(`.stage[data-stage="${arn}"]`);

/** A participant that publishes a test card in a new stage. */
async function publisher(stageName, userId) {
  const arn = await stages.create(stageName);
  const { participantId, token } = await stages.token(arn, { userId });
  await openPage(browser, site, `card.html#name=${userId}&token=${token}`);
  await stages.waitFor(arn, participantId, "CONNECTED");
  return { arn, participantId };
}

test("a stage is created, found with its id, and outlives a reload", async () => {
  const { page, problems } = await open();
  await page.getByText("No stages yet").waitFor();
  await page.getByLabel("New stage's name").fill("lobby");
  await page.keyboard.press("Enter");
  const stage = page.locator(".stage", { hasText: "lobby" });
  await stage.waitFor();
  // The Region that `restage env` names, which the console uses while there is no stage.
  const [listed] = await (await Stages.of(server, "us-east-1")).list();
  assert.equal(listed.name, "lobby");
  assert.equal(await stage.locator(".stage-id").innerText(), idOf(listed.arn));
  assert.match(await page.locator("#new-stage-done").innerText(), new RegExp(`lobby.*${idOf(listed.arn)}`));
  await page.reload();
  await card(page, listed.arn).waitFor();
  assert.match(await card(page, listed.arn).innerText(), /no session/);
  assert.deepEqual(problems, []);
});

test("a stage's name that is refused says so and stays to be mended", async () => {
  const { page } = await open();
  await page.getByLabel("New stage's name").fill("no spaces");
  await page.getByRole("button", { name: "Create stage" }).click();
  const problem = page.locator("#new-stage [role=alert]");
  await problem.filter({ hasText: "name" }).waitFor();
  assert.equal(await page.getByLabel("New stage's name").inputValue(), "no spaces");
  await page.getByLabel("New stage's name").fill("");
  await problem.filter({ hasText: /^$/ }).waitFor({ state: "attached" });
});

test("a stage is created with tags, found by them, and deleted once it is confirmed", async () => {
  const { page, problems } = await open();
  const form = page.locator("#new-stage");
  await form.getByRole("button", { name: "Tags" }).click();
  await form.getByLabel("New stage's name").fill("tagged");
  for (const [tags, said] of [
    ["=video", "has no key"],
    ["team=a, team=b", "is there twice"],
  ]) {
    await form.getByLabel(/^Tags/).fill(tags);
    await form.getByRole("button", { name: "Create stage" }).click();
    await form.getByRole("alert").filter({ hasText: said }).waitFor();
  }
  await form.getByLabel(/^Tags/).fill("team=video, purpose=a=b");
  await form.getByRole("button", { name: "Create stage" }).click();
  const stage = page.locator(".stage", { hasText: "tagged" });
  await stage.waitFor();
  const arn = (await stage.getAttribute("data-stage")) ?? "";
  const sdk = await Stages.of(server, arn.split(":")[3]);
  const { stage: made } = await sdk.client.send(new GetStageCommand({ arn }));
  assert.deepEqual(made?.tags, { team: "video", purpose: "a=b" });
  await stages.create("untagged");
  await page.getByLabel("Find a stage or a participant").fill("PURPOSE");
  await eventually(async () => (await page.locator(".stage").count()) === 1, "found by its tag");
  await stage.getByRole("button", { name: "Delete tagged" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete tagged?" });
  assert.match(await dialog.innerText(), new RegExp(`The stage tagged \\(${idOf(arn)}\\) goes`));
  assert.ok(
    await dialog.getByRole("button", { name: "Cancel" }).evaluate(each => each === document.activeElement),
  );
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await stage.getByRole("button", { name: "Delete tagged" }).click();
  await dialog.getByRole("button", { name: "Delete tagged" }).click();
  await stage.waitFor({ state: "detached" });
  await page.getByText("tagged is deleted.").waitFor();
  assert.ok(!(await sdk.list()).some(each => each.arn === arn));
  assert.deepEqual(problems, []);
});

test("a token goes when the form no longer says what it has, and one without rights says so", async () => {
  await stages.create("Changes");
  const { page, problems } = await open();
  await page.getByRole("button", { name: "Token for Changes" }).click();
  const dialog = page.getByRole("dialog", { name: "Token for Changes" });
  const make = dialog.getByRole("button", { name: "Make token" });
  const made = page.locator("#token-made");
  await make.click();
  await made.waitFor();
  assert.match(await page.locator("#token-facts").innerText(), /Whoever has the token .*only here\.$/);
  for (const change of [
    () => dialog.getByLabel(/minutes/).fill("5"),
    () => dialog.getByLabel("subscribe").uncheck(),
    () => dialog.getByLabel("publish").uncheck(),
    () => dialog.getByLabel(/User id/).fill("Ann"),
  ]) {
    await change();
    await made.waitFor({ state: "detached" });
    await make.click();
    await made.waitFor();
  }
  assert.match(await page.locator("#token-facts").innerText(), /neither publishing nor watching/);
  assert.ok(await page.locator("#token-use").isHidden());
  assert.deepEqual(problems, []);
});

test("a token is made as wished, copied, and publishes from here", async () => {
  const arn = await stages.create("Tokens");
  const { page, problems } = await open({
    permissions: ["clipboard-read", "clipboard-write", "camera", "microphone"],
  });
  await page.getByRole("button", { name: "Token for Tokens" }).click();
  const dialog = page.getByRole("dialog", { name: "Token for Tokens" });
  await dialog.getByLabel(/User id/).fill("Zoë");
  await dialog.getByLabel("subscribe").uncheck();
  await dialog.getByLabel(/minutes/).fill("5");
  await dialog.getByRole("button", { name: "Make token" }).click();
  await dialog.getByRole("button", { name: "Copy token" }).click();
  await dialog.getByText("Copied.").waitFor();
  const token = await page.evaluate(() => navigator.clipboard.readText());
  const payload = JSON.parse(`${Buffer.from(token.split(".")[1], "base64url")}`);
  assert.equal(payload.user_id, "Zoë");
  assert.equal(payload.topic, idOf(arn));
  assert.equal(payload.exp - payload.iat, 300);
  assert.deepEqual(payload.capabilities, { allow_publish: true, allow_subscribe: false });
  await dialog.getByRole("button", { name: /Publish with it/ }).click();
  await page.getByRole("button", { name: "Publish camera and microphone" }).click();
  await stages.waitFor(arn, payload.jti, "CONNECTED");
  await page.getByText("Zoë is live").waitFor();
  // The dialog may be closed meanwhile; its button shows the progress.
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Publishing", exact: true }).click();
  await page.getByRole("button", { name: "Stop publishing" }).click();
  await stages.waitFor(arn, payload.jti, "DISCONNECTED");
  await page.getByText("Stopped.").waitFor();
  // The tile's session ends with the publisher's. Its requests about the session, or to the publisher, are then answered
  // 404, which the browser logs as a problem.
  const isEnd = problem => /404 .*\/(whep|whip\/sessions)\//.test(problem);
  const others = problems.filter(problem => !isEnd(problem));
  assert.deepEqual(others, []);
});

test("what a token may not have is refused in the dialog", async () => {
  const arn = await stages.create("Refusals");
  const { page } = await openAt(arn);
  await page.getByRole("button", { name: "Token for Refusals" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/User id/).evaluate(field => field.setAttribute("maxlength", "1000"));
  await dialog.getByLabel(/User id/).fill("x".repeat(200));
  await dialog.getByRole("button", { name: "Make token" }).click();
  await dialog.getByRole("alert").filter({ hasText: "userId" }).waitFor();
  assert.equal(await dialog.getByRole("button", { name: "Make token" }).isEnabled(), true);
});

test("replicate, watch side by side, and stop the replica", async () => {
  const { arn: source, participantId } = await publisher("Source", "Ann");
  const destination = await stages.create("Destination");
  const { page, problems } = await openAt(source);
  await page.getByRole("button", { name: "Replicate Ann in Source" }).click();
  const dialog = page.getByRole("dialog", { name: "Replicate Ann" });
  await dialog.getByLabel("Into the stage").selectOption(destination);
  await dialog.getByRole("button", { name: "Replicate", exact: true }).click();
  await dialog.waitFor({ state: "detached" });
  await page.locator(".participant[data-role=SOURCE]").waitFor();
  await goTo(page, `stages/${idOf(destination)}`);
  const row = page.locator(".participant[data-role=REPLICA]");
  await row.waitFor();
  assert.deepEqual(await stages.replicaStates(source, participantId), ["ACTIVE"]);
  // A replica plays with its source beside it.
  await eventually(
    async () => (await page.locator(".tile[data-state=live]").count()) === 2,
    "source and replica are live",
  );
  await row.getByRole("button", { name: "Stop replica of Ann in Destination" }).click();
  await row.waitFor({ state: "detached" });
  assert.deepEqual(await stages.replicaStates(source, participantId), ["STOPPED"]);
  // The tile first notices the end of its connection, and then asks about a participant that has left.
  const isFarewell = problem => / 404 .*\/(whip\/sessions|whep)\//.test(problem);
  assert.deepEqual(
    problems.filter(problem => !isFarewell(problem)),
    [],
  );
});

test("the participants of an ingest say what they are, and what it means to disconnect them", async () => {
  const { arn, participantId } = await publisher("Studio", "twin");
  const { page } = await openAt(arn);
  // As three encoders would have it, and one of a redundant ingest.
  const parts = ["ONLY", "COMMON", "FIRST", "SECOND"];
  await page.route("**/console/api/state", async route => {
    const response = await route.fetch();
    const state = await response.json();
    const stage = state.stages.find(each => each.arn === arn);
    const own = stage?.participants.find(each => each.participantId === participantId);
    if (own) {
      stage.participants = parts.map(ingest => ({
        ...own,
        ingest,
        participantId: `${ingest}-${own.userId}`,
      }));
    }
    await route.fulfill({ response, json: state });
  });
  const row = part => page.locator(`.participant[data-participant="${part}-twin"]`);
  await row("SECOND").waitFor();
  await goTo(page, "stages");
  await card(page, arn).getByText("2 publishing").waitFor();
  await goTo(page, `stages/${idOf(arn)}`);
  await row("SECOND").waitFor();
  assert.match(await row("COMMON").innerText(), /^twin\s*\n+what viewers see of both encoders · COMMON-twin/);
  assert.match(await row("FIRST").innerText(), /^twin, encoder 1\s*\n+one stream of two/);
  for (const [part, buttons] of Object.entries({ ONLY: 3, COMMON: 3, FIRST: 1, SECOND: 1 })) {
    assert.equal(await row(part).getByRole("button").count(), buttons, part);
  }
  for (const [part, said] of /** @type {const} */ ([
    [
      "ONLY",
      /leaves Studio, and the ingest configuration by which it publishes loses the stage.*same stream key/,
    ],
    ["COMMON", /leaves Studio\. With it go the others .*both encoders.*same stream key/],
    ["SECOND", /leaves Studio\. With it go the others/],
  ])) {
    await row(part)
      .getByRole("button", { name: /^Disconnect/ })
      .click();
    const dialog = page.getByRole("dialog", { name: /Disconnect twin/ });
    const text = await dialog.innerText();
    assert.match(text, said);
    assert.doesNotMatch(text, /token/);
    await dialog.getByRole("button", { name: "Cancel" }).click();
  }
});

test("what cannot be replicated is said in the dialog", async () => {
  const { arn: source } = await publisher("Alone", "Bob");
  const destination = await stages.create("Short-lived");
  const { page } = await openAt(source);
  await page.getByRole("button", { name: "Replicate Bob in Alone" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Into the stage").selectOption(destination);
  await stages.remove(destination);
  await dialog.getByRole("button", { name: "Replicate", exact: true }).click();
  await dialog.getByRole("alert").filter({ hasText: "destinationStageArn: there is no stage" }).waitFor();
  assert.ok(await page.getByRole("heading", { name: "Alone" }).isVisible());
});

test("a participant is disconnected once it is confirmed, one who does not publish too", async () => {
  const { arn, participantId } = await publisher("Farewell", "Cid");
  const { page } = await openAt(arn);
  await page.getByRole("button", { name: "Watch Cid in Farewell" }).waitFor();
  const ask = page.getByRole("button", { name: "Disconnect Cid in Farewell" });
  await ask.click();
  const dialog = page.getByRole("dialog", { name: "Disconnect Cid?" });
  await dialog.getByText("leaves Farewell and its token stops working").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await ask.click();
  await dialog.getByRole("button", { name: "Disconnect", exact: true }).click();
  await stages.waitFor(arn, participantId, "DISCONNECTED");
  await ask.waitFor({ state: "detached" });

  const quiet = await stages.token(arn, { userId: "Quiet", capabilities: ["SUBSCRIBE"] });
  const viewer = await openPage(browser, site, `listen.html#token=${quiet.token}`);
  const askQuiet = page.getByRole("button", { name: "Disconnect Quiet in Farewell" });
  // Participants that do not publish are folded, and the list is rendered again as participants come and go.
  const folded = page.locator("details.silent:not([open]) > summary");
  await eventually(async () => {
    if (await askQuiet.isVisible()) return true;
    if ((await folded.count()) > 0) await folded.click({ timeout: 1_000 }).catch(() => {});
    return false;
  }, "the silent participant is listed");
  await askQuiet.click();
  await page.getByRole("dialog").getByRole("button", { name: "Disconnect", exact: true }).click();
  await eventually(
    async () => (await viewer.evaluate("window.readEvents?.().error")) === "PARTICIPANT_DISCONNECTED",
    "the viewer's events socket is closed with the reason",
  );
});

test("whoever publishes is shown, however many viewers came before", async () => {
  const arn = await stages.create("Crowd");
  const tokens = [];
  for (let at = 0; at < CROWD; at += 10) {
    const wishes = { capabilities: ["SUBSCRIBE"] };
    tokens.push(...(await Promise.all(Array.from({ length: 10 }, () => stages.token(arn, wishes)))));
  }
  const viewers = await openPage(browser, site, `listen.html#token=${tokens[0].token}`);
  await viewers.evaluate(
    ([url, all]) =>
      Promise.all(
        all.map(
          token =>
            new Promise(resolve => {
              const socket = new WebSocket(url, [token]);
              socket.addEventListener("message", resolve, { once: true });
              socket.addEventListener("close", resolve);
            }),
        ),
      ).then(() => {}),
    [`${server.url.replace("http", "ws")}/events/${idOf(arn)}`, tokens.slice(1).map(({ token }) => token)],
  );
  const late = await stages.token(arn, { userId: "Late" });
  await openPage(browser, site, `card.html#name=Late&token=${late.token}`);
  await stages.waitFor(arn, late.participantId, "CONNECTED");
  const { page } = await openAt(arn);
  await page.getByRole("button", { name: "Watch Late in Crowd" }).waitFor();
  await page.getByText("More than 100 connected, not publishing").waitFor();
});

test("the console's key opens these operations and no other", async () => {
  const key = new URL(await server.consoleUrl()).hash.slice("#key=".length);
  const call = async (operation, body, { region = "eu-west-1", bearer = key } = {}) => {
    const answer = await fetch(`${server.url}/console/api/call/${operation}?region=${region}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${bearer}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status: answer.status, type: answer.headers.get("x-amzn-errortype"), ...(await answer.json()) };
  };
  assert.equal((await call("ListStages", { maxResults: 1 })).stages.length, 1);
  const arn = await stages.create("Protected");
  for (const operation of [
    "TagResource",
    "CreateStorageConfiguration",
    "DeleteEncoderConfiguration",
    "Nonsense",
  ]) {
    const refused = await call(operation, { arn });
    assert.deepEqual([refused.status, refused.type], [403, "AccessDeniedException"], operation);
    assert.match(refused.message, /CreateStage/);
  }
  assert.equal((await call("ListStages", {}, { bearer: "wrong" })).status, 401);
  const refused = await call("CreateStage", { name: "no spaces" });
  assert.deepEqual([refused.status, refused.type], [400, "ValidationException"]);
  const elsewhere = await call("CreateParticipantToken", { stageArn: arn }, { region: "us-east-1" });
  assert.equal(elsewhere.type, "ResourceNotFoundException");
  assert.equal((await call("ListStages", {}, { region: "A" })).type, "ValidationException");
});

test("all stages are there, page after page, and are searched", async () => {
  const names = Array.from({ length: MANY }, (_, number) => `many-${number}`);
  // Ten at a time, as a script would do.
  for (let at = 0; at < names.length; at += 10) {
    await Promise.all(names.slice(at, at + 10).map(name => stages.create(name)));
  }
  const all = [...(await stages.list()), ...(await (await Stages.of(server, "us-east-1")).list())];
  const { page, problems } = await open({ viewport: PHONE });
  const count = wanted =>
    eventually(async () => (await page.locator(".stage").count()) === wanted, `${wanted} stages are shown`);
  await count(200);
  await page.getByText("200 stages are loaded; there are more.").waitFor();
  await page.getByRole("button", { name: "Load more stages" }).click();
  await count(all.length);
  await page.getByRole("button", { name: "Load more stages" }).waitFor({ state: "hidden" });
  await assertFits(page);

  await page.reload();
  await count(200);
  const last = all.find(stage => stage.name === names.at(-1));
  await page.getByLabel("Find a stage or a participant").fill(idOf(last?.arn ?? ""));
  await count(1);
  assert.equal(await page.locator(".stage-name").innerText(), names.at(-1));
  await page.getByLabel("Find a stage or a participant").fill("MANY-22");
  await count(11);
  await page.screenshot({ path: join(OUTPUT, "console-search-phone.png") });
  assert.deepEqual(problems, []);
});
