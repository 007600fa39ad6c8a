/** One connection that stages of js/client share, by a connection token, and the end of it by RevokeConnectionToken. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { server, stages, useScene } from "../support/scene.js";
import { Signer } from "../support/self_signed.js";
import { ROOT } from "../support/server.js";
import { StagePage } from "../support/stage_pages.js";
import { eventually } from "../support/wait.js";

useScene("browser_stage_connection", { closesPages: true });

const run = promisify(execFile);

/** RevokeConnectionToken, by the command line: the SDK for JavaScript that the tests use is older than the operation. @param {string} id */
async function revoke(id) {
  const { accessKeyId, secretAccessKey } = await server.credentials();
  await run(process.env.RESTAGE_BINARY ?? join(ROOT, "target", "debug", "restage"), ["token", "revoke", id], {
    env: {
      ...{ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
      ...{ AWS_ENDPOINT_URL: server.url, AWS_REGION: "eu-west-1", PATH: process.env.PATH },
    },
  });
}

/** A connection token. @param {Signer} signer @param {string} arn Of any stage. @param {object} [claims] */
async function connectionToken(signer, arn, claims = {}) {
  const { payload } = await signer.participant(arn);
  const now = Math.floor(Date.now() / 1000);
  const [, , , region, account] = signer.kid.split(":");
  const own = { exp: now + 3600, iat: now, jti: randomUUID(), region, account_id: account, version: "1.0" };
  const claimed = { ...own, events_url: payload.events_url, ...claims };
  return { token: signer.sign(claimed), id: claimed.jti };
}

test("a stage joins over a connection, and a revoked token ends both for good", async () => {
  const arn = await stages.create("hop");
  const signer = await Signer.of(stages);
  const ann = await StagePage.join(arn, "ann", "publish");
  const { token, id } = await connectionToken(signer, arn);
  const bob = await StagePage.join(arn, "bob", `publish&connection=${token}`);
  await bob.shows(ann);
  await ann.shows(bob);
  await eventually(
    async () => (await bob.page.evaluate("window.shared.state")) === "connected",
    "it is connected",
  );
  await revoke(id);
  await eventually(async () => (await bob.events("stageLeft")).length === 1, "the stage is left");
  assert.equal((await bob.events("stageLeft"))[0][1], "real-time-connection-token-revocation");
  await ann.shows(bob, []);
  await eventually(
    async () => (await bob.page.evaluate("window.shared.state")) === "disconnected",
    "it is over",
  );
  await assert.rejects(bob.page.evaluate("window.join()"), /StageError/);
});

test("a connection that is closed leaves its stages, and can be used again", async () => {
  const arn = await stages.create("again");
  const signer = await Signer.of(stages);
  const ann = await StagePage.join(arn, "ann", "publish");
  const { token } = await connectionToken(signer, arn);
  const bob = await StagePage.join(arn, "bob", `connection=${token}`);
  await bob.shows(ann);
  await bob.page.evaluate("window.shared.disconnect()");
  await bob.shows(ann, []);
  assert.equal((await bob.events("stageLeft"))[0][1], "user-initiated");
  await bob.page.evaluate("window.join()");
  await bob.shows(ann);
});

test("stages on one connection receive by one transport, which stays from stage to stage", async () => {
  const names = ["one", "two", "three"];
  const arns = await Promise.all(names.map(name => stages.create(name)));
  const signer = await Signer.of(stages);
  const { token } = await connectionToken(signer, arns[0]);
  const publishers = [];
  for (const [place, arn] of arns.entries())
    publishers.push(await StagePage.join(arn, names[place], "publish"));
  const [one, two, three] = publishers;
  const eve = await StagePage.join(arns[0], "eve", `connection=${token}`);
  await eve.shows(one);
  /** @param {number} place */
  const joinAnother = async place => {
    const { token } = await stages.token(arns[place], { userId: "eve", capabilities: ["SUBSCRIBE"] });
    await eve.page.evaluate(`window.joinAnother(${JSON.stringify(token)})`);
  };
  await joinAnother(1);
  await eve.shows(two);
  await eve.movesOn(one);
  // The first stage is left; later the second, before the third is joined.
  await eve.leave();
  await eve.shows(one, []);
  await eve.movesOn(two);
  await eve.page.evaluate("window.leaveOthers()");
  await eve.shows(two, []);
  await joinAnother(2);
  await eve.shows(three);
  assert.equal(await eve.connections(), 1);
  assert.deepEqual(await eve.events("error"), []);
});

test("a publisher and its replica come by one transport", async () => {
  const [source, destination] = [await stages.create("source"), await stages.create("destination")];
  const signer = await Signer.of(stages);
  const { token } = await connectionToken(signer, source);
  const ann = await StagePage.join(source, "ann", "publish");
  const eve = await StagePage.join(source, "eve", `connection=${token}`);
  await eve.shows(ann);
  await stages.replicate(source, destination, ann.id);
  await eve.leave();
  await eve.shows(ann, []);
  const there = await stages.token(destination, { userId: "eve", capabilities: ["SUBSCRIBE"] });
  await eve.page.evaluate(`window.joinAnother(${JSON.stringify(there.token)})`);
  await eve.shows(ann);
  await eve.page.evaluate("window.join()");
  const both = ["audio", "audio", "video", "video"];
  await eventually(async () => `${await eve.streamsOf(ann)}` === `${both}`, "both are shown");
  assert.equal(await eve.connections(), 1);
});

test("tokens that cannot be good are refused before anything is sent", async () => {
  const arn = await stages.create("bad");
  const signer = await Signer.of(stages);
  const bob = await StagePage.join(arn, "bob", "");
  const now = Math.floor(Date.now() / 1000);
  /** @param {string} token */
  const codeOf = token => bob.page.evaluate(`window.connectionError(${JSON.stringify(token)})`);
  assert.equal(await codeOf("nonsense"), 1053);
  assert.equal(await codeOf(bob.token), 1053);
  assert.equal(
    await codeOf((await connectionToken(signer, arn, { exp: now - 1, iat: now - 60 })).token),
    1054,
  );
  assert.equal(await codeOf((await connectionToken(signer, arn, { exp: now + 40 * 86_400 })).token), 1053);
  assert.equal(await bob.page.evaluate("window.strangeConnection()"), 1312);
});
