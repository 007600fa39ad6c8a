/** The console with faults: no key, a refused token, plain HTTP, a server that stops, no media path. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";

import { openPage } from "../support/browser.js";
import { assertFits, goTo, idOf, openConsole, openStage, PHONE } from "../support/console.js";
import { Detour } from "../support/detour.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { OUTPUT, Server } from "../support/server.js";
import { eventually } from "../support/wait.js";

/** A host name of this machine that a browser does not treat as local. */
const HOST = "console.test";
/** The client waits ten seconds for a media path, four times, with waits between. */
const HOPELESS_MS = 90_000;

useScene("browser_console_faults", {
  flags: [`--host-resolver-rules=MAP ${HOST} 127.0.0.1`],
  closesPages: true,
});

/** @type {Server | undefined} A server that clients reach by a host name. */
let elsewhere;

after(async () => {
  await elsewhere?.stop();
});

/** @type {Detour[]} */
const detours = [];

afterEach(async () => {
  for (const detour of detours.splice(0)) await detour.close();
});

const open = async (options = {}) => openConsole(browser, await server.consoleUrl(), options);

/** A participant that publishes in a new stage with this codec. */
async function publisher(stageName, userId, codec = "H264") {
  const arn = await stages.create(stageName);
  const { participantId, token } = await stages.token(arn, { userId });
  const page = await openPage(browser, site, `peer.html#role=publish&codec=${codec}&token=${token}`);
  await stages.waitFor(arn, participantId, "CONNECTED");
  return { arn, participantId, page };
}

/** Opens a tile for a participant, unless it already plays. */
async function watchIn(page, arn, who) {
  await goTo(page, `stages/${idOf(arn)}`);
  const button = page.getByRole("button", { name: `Watch ${who}`, exact: true });
  if ((await button.getAttribute("aria-pressed")) === "false") await button.click();
  const tile = page.locator(`.tile[data-stage="${arn}"]`);
  await tile.waitFor();
  return tile;
}

/** Opens the dialog and enters a token. */
async function publishWith(page, token) {
  await page.getByRole("button", { name: "Publish from here" }).click();
  await page.getByLabel(/with the capability PUBLISH/).fill(token);
  await page.getByRole("button", { name: "Publish camera and microphone" }).click();
}

test("a console without its key asks for it, refuses a wrong one and opens with the right one", async () => {
  const arn = await stages.create("Behind-the-key");
  const context = await browser.newContext({ viewport: PHONE });
  const page = await context.newPage();
  await page.goto(`${server.url}/console/`);
  await page.locator(".panel", { hasText: "console.key" }).locator("#key-form").waitFor();
  assert.equal(await page.locator(".stage").count(), 0);
  assert.equal(await page.getByRole("navigation").count(), 0);
  const field = page.getByLabel("Console key, or the whole address");
  const first = page.getByLabel("Access key id");
  assert.ok(await first.evaluate(element => element === document.activeElement), "it can be typed at once");
  await field.fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").filter({ hasText: "does not take this key" }).waitFor();
  await assertFits(page);
  await page.screenshot({ path: join(OUTPUT, "console-key-phone.png") });
  await field.fill(await server.consoleUrl());
  await page.getByRole("button", { name: "Open the console" }).click();
  await page.locator(`.stage[data-stage="${arn}"]`).waitFor();
  assert.equal(await page.locator("#key-form").count(), 0);
});

test("nothing is told to whoever has no key", async () => {
  const post = { method: "POST", headers: { "Content-Type": "application/json" } };
  const stageArn = await stages.create("Silent");
  for (const [path, init] of [
    ["state", { headers: {} }],
    ["watch", { ...post, body: JSON.stringify({ stageArn }) }],
    ["call/ListStages?region=eu-west-1", { ...post, body: "{}" }],
    ["call/DeleteStage?region=eu-west-1", { ...post, body: JSON.stringify({ arn: stageArn }) }],
  ]) {
    for (const given of [{}, { Authorization: "Bearer wrong" }]) {
      const headers = { ...init.headers, ...given };
      const answer = await fetch(`${server.url}/console/api/${path}`, { ...init, headers });
      assert.equal(answer.status, 401, path);
      assert.match((await answer.json()).message, /console\.key/);
    }
  }
});

test("a token that is refused says why, and the dialog is as good as new", async () => {
  const arn = await stages.create("Doorstep");
  const viewer = await stages.token(arn, { userId: "Vic", capabilities: ["SUBSCRIBE"] });
  const { page } = await open();
  await publishWith(page, viewer.token);
  const problem = page.locator("#publish-problem");
  await problem.filter({ hasText: "PUBLISH" }).waitFor();
  const start = page.getByRole("button", { name: "Publish camera and microphone" });
  await eventually(() => start.isEnabled(), "it may be tried again");
  assert.equal(await page.locator("#publish-preview").count(), 0, "the camera is off");
  assert.equal(await page.getByLabel(/with the capability PUBLISH/).inputValue(), viewer.token);
  for (const [text, said] of [
    ["", "Paste a participant token."],
    ["nonsense", "three parts"],
    ["e30.e30.e30", "whip_url"],
  ]) {
    await page.getByLabel(/with the capability PUBLISH/).fill(text);
    await start.click();
    await problem.filter({ hasText: said }).waitFor();
  }
  const zed = await stages.token(arn, { userId: "Zed" });
  await page.getByLabel(/with the capability PUBLISH/).fill(zed.token);
  await start.click();
  await page.getByText("Zed is live in Doorstep").waitFor();
  assert.equal(await problem.innerText(), "");
  await page.getByRole("button", { name: "Stop publishing" }).click();
  await stages.waitFor(arn, zed.participantId, "DISCONNECTED");
});

test("whoever is disconnected while publishing reads it", async () => {
  const arn = await stages.create("Short-stay");
  const zed = await stages.token(arn, { userId: "Zed" });
  const { page } = await openStage(browser, await server.consoleUrl(), arn);
  await publishWith(page, zed.token);
  await page.getByText("Zed is live").waitFor();
  await page.getByRole("button", { name: "Close", exact: true }).click();
  await page.getByRole("button", { name: "Disconnect Zed in Short-stay" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disconnect", exact: true }).click();
  await page.getByRole("button", { name: "Publish from here" }).click();
  await page.locator("#publish-problem", { hasText: "disconnected" }).waitFor();
  await page.getByRole("button", { name: "Publish camera and microphone" }).waitFor();
});

test("over plain http from another machine the dialog says what to do instead", async () => {
  // Under a host name that the server does not know, the console is not served.
  const unknown = new URL(await server.consoleUrl());
  unknown.hostname = HOST;
  const stranger = await browser.newPage();
  assert.equal((await stranger.goto(unknown.href))?.status(), 421);
  elsewhere = await Server.start("browser_console_elsewhere", HOST);
  const url = new URL(await elsewhere.consoleUrl());
  const { page } = await openConsole(browser, url.href);
  await page.locator("#stages").waitFor({ state: "attached" });
  await page.getByRole("button", { name: "Publish from here" }).click();
  const problem = page.locator("#publish-problem");
  await problem.filter({ hasText: `from ${url.host} over plain http` }).waitFor();
  assert.match(await problem.innerText(), /https.*ssh -L 4080:127\.0\.0\.1:\d+ console\.test/s);
  assert.ok(await page.getByRole("button", { name: "Publish camera and microphone" }).isDisabled());
  // Functions without the camera work.
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByLabel("New stage's name").fill("by-plain-http");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Token for by-plain-http" }).click();
  await page.getByRole("button", { name: "Make token" }).click();
  await page.getByRole("button", { name: "Copy token" }).click();
  await page.locator("#token-copied", { hasText: /Copied|Selected/ }).waitFor();
});

test("a server that stops is said to have stopped, in the tile too, and all comes back with it", async () => {
  const { arn, participantId } = await publisher("Phoenix", "Ann");
  const { page } = await open();
  const tile = await watchIn(page, arn, "Ann in Phoenix");
  const isPlaying = async () => /\d fps/.test(await tile.locator(".tile-stats").innerText());
  await eventually(isPlaying, "the tile plays");
  await server.pause();
  await page.getByRole("alert").filter({ hasText: "The server has stopped" }).first().waitFor();
  await tile.getByText("The server has stopped; trying again.").waitFor();
  await page.screenshot({ path: join(OUTPUT, "console-stopped.png") });
  await server.resume();
  await page.locator("#notice").waitFor({ state: "detached" });
  await stages.waitFor(arn, participantId, "CONNECTED");
  await tile.waitFor();
  await eventually(isPlaying, "the tile plays again", 60_000);
  assert.ok(await tile.locator(".tile-problem").isHidden());
});

test("a tile without a media path names the port, gives up in the end, and tries again when asked", async () => {
  const { arn } = await publisher("Walled", "Ann");
  const detour = await Detour.open(server);
  detours.push(detour);
  const key = new URL(await server.consoleUrl()).hash;
  const { page } = await openStage(browser, `${detour.url}/console/${key}`, arn, { viewport: PHONE });
  const tile = page.locator(`.tile[data-stage="${arn}"]`);
  await tile.waitFor();
  const sentence = `No media path: UDP port ${detour.deadPort} of 127.0.0.1 is not reachable from here`;
  await tile.getByText(`${sentence}; trying again.`).waitFor();
  assert.equal(await tile.locator(".tile-state").innerText(), "no media path");
  await assertFits(page);
  await tile.screenshot({ path: join(OUTPUT, "console-no-path-phone.png") });
  const again = tile.getByRole("button", { name: "Try again" });
  await again.waitFor({ timeout: HOPELESS_MS });
  assert.match(await tile.locator(".tile-problem-text").innerText(), /reachable from here\.$/);
  detour.isOn = false;
  await again.click();
  await eventually(async () => (await tile.getAttribute("data-state")) === "live", "the tile is live");
});

/** A console that offers only one video codec, and whose events sockets the test can use. */
async function openWith(codec) {
  const context = await browser.newContext();
  await context.addInitScript(only => {
    const { addTransceiver } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.addTransceiver = function (kind, init) {
      const transceiver = addTransceiver.call(this, kind, init);
      if (kind === "video") {
        const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
        transceiver.setCodecPreferences(codecs.filter(codec => codec.mimeType === `video/${only}`));
      }
      return transceiver;
    };
    const sockets = [];
    const Socket = window.WebSocket;
    window.WebSocket = class extends Socket {
      constructor(url, protocols) {
        super(url, protocols);
        sockets.push(this);
      }
    };
    Object.assign(window, {
      say: message => {
        for (const socket of sockets) socket.dispatchEvent(new MessageEvent("message", { data: message }));
      },
    });
  }, codec);
  const page = await context.newPage();
  let session = "";
  page.on("response", response => {
    if (response.status() === 201) session = response.headers().location?.split("/").at(-1) ?? "";
  });
  await page.goto(await server.consoleUrl());
  await page.locator("#stages").waitFor({ state: "attached" });
  return { page, session: () => session };
}

for (const [sent, offered] of [
  ["VP8", "H264"],
  ["H264", "VP8"],
]) {
  test(`a browser that cannot decode what is sent is told so in its tile: ${sent} for ${offered}`, async () => {
    const { arn } = await publisher(`Babel-${sent}`, "Ann", sent);
    const { page } = await openWith(offered);
    const tile = await watchIn(page, arn, `Ann in Babel-${sent}`);
    const sentence = `No picture: the publisher sends ${sent}`;
    await tile.locator(".tile-problem-text", { hasText: sentence }).waitFor();
    assert.match(await tile.locator(".tile-stats").innerText(), /no picture/);
    const playedUntil = () => tile.locator("video").evaluate(video => video.currentTime);
    const before = await playedUntil();
    await eventually(async () => (await playedUntil()) > before + 1, "its sound is played");
    await tile.screenshot({ path: join(OUTPUT, `console-codec-${sent}.png`) });
  });
}

test("what the server says of a codec is in the tile, as long as no picture comes", async () => {
  const { arn } = await publisher("Babel", "Ann", "VP8");
  const { page, session } = await openWith("H264");
  const tile = await watchIn(page, arn, "Ann in Babel");
  await eventually(async () => (await tile.getAttribute("data-state")) === "live", "the tile is live");
  const payload = {
    code: "CODEC_MISMATCH",
    message: "the publisher sends VP8, and this client offers no codec that decodes it; offer that one",
    session: session(),
    isOver: false,
  };
  await page.evaluate(text => window.say(text), JSON.stringify({ type: "SUBSCRIBE_ERROR", payload }));
  const sentence = "No picture: the publisher sends VP8, this browser has no decoder for it";
  await tile.getByText(`${sentence}; sound alone is played.`).waitFor();
});
