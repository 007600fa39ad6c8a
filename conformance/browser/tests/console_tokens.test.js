/** The console makes tokens and ways to use them, says what is wrong with one, and keeps the public keys of who signs them. */

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";

import { DisconnectParticipantCommand, ListPublicKeysCommand } from "@aws-sdk/client-ivs-realtime";

import { findings } from "../support/axe.js";
import { assertFits, openConsole, openConsolePage, openStage, PHONE } from "../support/console.js";
import { readQr } from "../support/qr.js";
import { browser, server, stages, useScene } from "../support/scene.js";
import { freeTcpPort, OUTPUT } from "../support/server.js";
import { eventually } from "../support/wait.js";

/** How long a busy machine may take until a picture is there. */
const PLAY_MS = 60_000;

useScene("browser_console_tokens", { closesPages: true });

const claimsOf = token => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

/** Makes a token on the page of a stage. The dialog stays open. */
async function makeToken(page, { userId, attributes = "", isPublisher = true }) {
  await page.getByRole("button", { name: /^Token for/ }).click();
  const dialog = page.getByRole("dialog", { name: /^Token for/ });
  await dialog.getByLabel("User id").fill(userId);
  await dialog.getByLabel("Attributes").fill(attributes);
  await dialog.getByLabel("publish", { exact: true }).setChecked(isPublisher);
  await dialog.getByLabel("Valid for").fill("30");
  await dialog.getByRole("button", { name: "Make token" }).click();
  const token = await dialog.getByLabel("Participant token").inputValue();
  return { dialog, token };
}

test("a token is made with all it can have; its link and its QR code lead to the page for joining", async () => {
  const stage = await stages.create("Foyer");
  // Whoever photographs a screen has more pixels than the screen.
  const { page, problems } = await openStage(browser, await server.consoleUrl(), stage, {
    deviceScaleFactor: 3,
  });
  const { dialog, token } = await makeToken(page, { userId: "bob", attributes: "role=guest, seat=4" });
  const claims = claimsOf(token);
  assert.deepEqual(claims.attributes, { role: "guest", seat: "4" });
  assert.deepEqual(claims.capabilities, { allow_publish: true, allow_subscribe: true });
  assert.ok(Math.abs(claims.exp - Date.now() / 1000 - 30 * 60) < 60, `${claims.exp}`);
  await dialog.getByText("FFmpeg (WHIP)").click();
  const line = await dialog.locator("#token-line pre").innerText();
  assert.ok(line.includes(`-authorization "${token}" ${claims.whip_url}`), line);
  await dialog.getByText("Join link and QR code").click();
  const link = await dialog.getByRole("link", { name: "Open the link" }).getAttribute("href");
  assert.equal(link, `${server.url}/console/#/join?token=${token}`);
  const reader = await browser.newPage();
  assert.equal(await readQr(reader, dialog.locator(".qr")), link, "the QR code says the same");
  await page.screenshot({ path: join(OUTPUT, "tokens-dialog.png") });
  await page.setViewportSize(PHONE);
  await assertFits(page);
  assert.deepEqual(await findings(page), [], "the dialog");
  await page.screenshot({ path: join(OUTPUT, "tokens-dialog-phone.png") });
  assert.deepEqual(problems, []);

  // Somebody without any key opens the link, publishes, and is seen by another one.
  const guest = await openConsole(browser, link, { viewport: PHONE });
  const requests = [];
  guest.page.on("request", request => requests.push(request.url()));
  await guest.page.getByRole("heading", { name: "Join as bob" }).waitFor();
  assert.ok(!guest.page.url().includes(token.slice(0, 20)), "the token is taken out of the address");
  await guest.page.getByText("Nobody else publishes").waitFor();
  assert.equal(await guest.page.getByText("This console is locked").count(), 0);
  await guest.page.getByRole("button", { name: "Publish from here…" }).click();
  await guest.page.getByLabel("a test picture with a tone").check();
  await guest.page.getByRole("button", { name: "Publish the test picture" }).click();
  await stages.waitFor(stage, claims.jti, "CONNECTED");
  await guest.page.keyboard.press("Escape");
  const viewer = await stages.token(stage, { userId: "vera", capabilities: ["SUBSCRIBE"] });
  const other = await openConsole(browser, `${server.url}/console/#/join?token=${viewer.token}`);
  await other.page.getByRole("heading", { name: "Join as vera" }).waitFor();
  assert.equal(await other.page.getByRole("button", { name: "Publish from here…" }).count(), 0);
  const tile = other.page.locator(".joined-tile", { hasText: "bob" });
  await tile.locator(".hint", { hasText: /^live$/ }).waitFor({ timeout: PLAY_MS });
  const seen = () => tile.locator("video").evaluate(video => video.videoWidth > 0 && video.currentTime > 0.5);
  await eventually(seen, "the picture of the test plays", PLAY_MS);
  await assertFits(other.page);
  assert.deepEqual(await findings(other.page), [], "the page for joining");
  await other.page.screenshot({ path: join(OUTPUT, "join.png"), fullPage: true });
  await assertFits(guest.page);
  assert.ok(!requests.some(url => url.includes(token.slice(0, 20))), "the token is in no address");
  // A reload of the tab needs no link.
  await other.page.reload();
  await tile.locator(".hint", { hasText: /^live$/ }).waitFor({ timeout: PLAY_MS });
  // A server that is short of time lets viewers in later; the page asks again.
  const isFault = problem => !/status of 503/.test(problem);
  assert.deepEqual([...guest.problems, ...other.problems].filter(isFault), []);
});

test("a token is inspected: what it says, and why it is refused", async () => {
  const stage = await stages.create("Gate");
  const { participantId, token } = await stages.token(stage, { userId: "eve", capabilities: ["PUBLISH"] });
  const { page, problems } = await openConsolePage(browser, server, "keys");
  const inspect = async text => {
    await page.getByRole("textbox", { name: "Participant token" }).fill(text);
    await page.getByRole("button", { name: "Inspect" }).click();
    const found = page.locator("#inspected");
    await found.waitFor();
    return found;
  };
  const good = await inspect(token);
  await good.getByText("accepted: nothing speaks against it").waitFor();
  const said = await good.innerText();
  for (const words of [participantId, stage, "eve", "publish", server.url])
    assert.ok(said.includes(words), said);
  assert.deepEqual(await findings(page), [], "what is said of a token");
  await page.screenshot({ path: join(OUTPUT, "tokens-keys.png"), fullPage: true });

  // One whose claims were changed has a wrong signature, and this one has also expired.
  const [head, , signature] = token.split(".");
  const changed = { ...claimsOf(token), exp: Math.floor(Date.now() / 1000) - 90 };
  const forged = [head, Buffer.from(JSON.stringify(changed)).toString("base64url"), signature].join(".");
  const bad = await inspect(forged);
  await bad.getByText("refused", { exact: true }).waitFor();
  assert.match(await bad.innerText(), /signature/i);
  assert.match(await bad.innerText(), /It expired 1 min \d+ s ago\./);

  await stages.client.send(new DisconnectParticipantCommand({ stageArn: stage, participantId }));
  const revoked = await inspect(token);
  await revoked.getByText("DisconnectParticipant has revoked it.").waitFor();
  await stages.remove(stage);
  const orphan = await inspect(token);
  await orphan.getByText("Its stage was deleted, or never existed.").waitFor();

  await page.getByRole("textbox", { name: "Participant token" }).fill("nonsense");
  await page.getByRole("button", { name: "Inspect" }).click();
  await page.locator("#inspect form > .problem", { hasText: "three parts with dots" }).waitFor();
  assert.equal(await page.locator("#inspected").count(), 0);
  assert.deepEqual(problems, []);
});

test("a public key is imported, shown and deleted; a private one is not sent", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const secret = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const { page } = await openConsolePage(browser, server, "keys");
  const panel = page.locator("#public-keys");
  await panel.getByText("No public keys").waitFor();
  const sent = [];
  page.on("request", request => sent.push(request.postData() ?? ""));
  await panel.getByRole("button", { name: "Import a public key" }).click();
  const dialog = page.getByRole("dialog", { name: "Import a public key" });
  const import_ = dialog.getByRole("button", { name: "Import", exact: true });
  await dialog.getByLabel("Name (optional)").fill("backend");
  await dialog.getByLabel("Public key in PEM").fill(secret);
  await import_.click();
  await dialog.getByText("This is a private key").waitFor();
  assert.ok(!sent.some(body => body.includes("PRIVATE KEY")), "it was not sent");
  await dialog
    .getByLabel("Public key in PEM")
    .fill("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----");
  await import_.click();
  await dialog.getByText(/publicKeyMaterial/).waitFor();
  await dialog
    .getByLabel("Or its file")
    .setInputFiles({ name: "key.pem", mimeType: "application/x-pem-file", buffer: Buffer.from(pem) });
  await eventually(
    async () => (await dialog.getByLabel("Public key in PEM").inputValue()) === pem,
    "the file is in the field",
  );
  await import_.click();
  await dialog.waitFor({ state: "detached" });
  await panel.locator("tbody tr", { hasText: "backend" }).waitFor();
  const { publicKeys } = await stages.client.send(new ListPublicKeysCommand({}));
  // The console's key serves the Region that it has stages in.
  const arns = publicKeys.map(({ arn }) => arn);
  assert.equal(arns.length, 1);
  await panel.getByRole("button", { name: "Show backend" }).click();
  const shown = page.getByRole("dialog", { name: "backend" });
  assert.equal(await shown.locator("pre").innerText(), pem.trim());
  assert.match(await shown.innerText(), /Fingerprint\s+([0-9a-f]{2}:)+[0-9a-f]{2}/);
  assert.deepEqual(await findings(page), [], "a public key");
  await shown.getByRole("button", { name: "Close" }).click();
  await panel.getByRole("button", { name: "Delete backend" }).click();
  await page.getByRole("dialog", { name: "Delete backend?" }).getByRole("button", { name: "Delete" }).click();
  await panel.getByText("No public keys").waitFor();
});

test("a connection token is revoked by its id; a server without them says so kindly", async () => {
  const { page } = await openConsolePage(browser, server, "keys");
  const panel = page.locator("#connection-tokens");
  const revoke = async id => {
    await panel.getByLabel("Id of the token").fill(id);
    await panel.getByRole("button", { name: "Revoke" }).click();
  };
  await revoke("not an id");
  await panel.getByText("1 to 64 letters, digits, hyphens and underscores").waitFor();
  const asked = [];
  let status = 404;
  await page.route("**/console/api/call/RevokeConnectionToken?*", route => {
    asked.push(route.request().postDataJSON());
    const code = "UnknownOperationException";
    const refusal = { headers: { "x-amzn-errortype": code }, json: { message: "no such operation" } };
    return route.fulfill({ status, ...(status === 200 ? { json: {} } : refusal) });
  });
  await revoke("con-1");
  await panel.getByText("This server has no connection tokens, so there is nothing to revoke.").waitFor();
  status = 200;
  await revoke("con-1");
  await panel.getByText("con-1 is revoked in eu-west-1").waitFor();
  assert.deepEqual(asked, [{ tokenId: "con-1" }, { tokenId: "con-1" }]);
});

/** A token that nobody has signed, for a server that is not this one. */
function forge(stage, claims) {
  const part = value => Buffer.from(JSON.stringify(value)).toString("base64url");
  const said = {
    ...{ jti: "x", user_id: "Your-bank", topic: "t", resource: stage, exp: 9e9, iat: 1, version: "1.0" },
    capabilities: { allow_publish: true, allow_subscribe: true },
    ...claims,
  };
  return `${part({ alg: "ES384" })}.${part(said)}.sig`;
}

test("a forged link names nobody and publishes nothing, and the page says whose server it names", async () => {
  const stage = await stages.create("Forged");
  const other = `http://127.0.0.1:${await freeTcpPort()}`;
  const token = forge(stage, { whip_url: `${other}/whip`, events_url: `${other}/events` });
  const { page } = await openConsole(browser, `${server.url}/console/#/join?token=${token}`);
  const problem = page.locator("#join-problem");
  await problem.filter({ hasText: "The server was not reached, or does not accept this link" }).waitFor();
  const { origin } = new URL(server.url);
  assert.ok(
    (await problem.innerText()).includes(`It names the server ${other}, and this page is from ${origin}.`),
  );
  assert.equal(await page.getByText("Your-bank").count(), 0);
  assert.equal(await page.getByRole("button", { name: "Publish from here" }).count(), 0);
  await assertFits(page);
  assert.deepEqual(await findings(page), []);
});

test("a server that was never reached is not said to have stopped", async () => {
  const stage = await stages.create("Elsewhere");
  const other = `http://127.0.0.1:${await freeTcpPort()}`;
  const { page } = await openStage(browser, await server.consoleUrl(), stage);
  const publishWith = async token => {
    await page.getByRole("button", { name: "Publish from here" }).click();
    await page.getByLabel("Participant token with the capability PUBLISH").fill(token);
    await page.getByLabel("a test picture with a tone").check();
    await page.getByRole("button", { name: "Publish the test picture" }).click();
  };
  const problem = page.locator("#publish-problem");
  await publishWith(forge(stage, { whip_url: `${other}/whip`, events_url: `${other}/events` }));
  await problem.filter({ hasText: `The token names the server ${other}, which was not reached` }).waitFor();
  assert.equal(await page.locator("#publish-status").innerText(), "");
  await page.getByRole("button", { name: "Stop publishing" }).click();
  await page.getByRole("button", { name: "Close" }).click();
  // This server, of which no call arrives.
  await page.route("**/whip", route => route.abort());
  await publishWith((await stages.token(stage, { userId: "ann" })).token);
  await problem.filter({ hasText: "The server was not reached; trying again." }).waitFor();
});
