/** Tokens that are exchanged on a stage of js/client: who gains, who loses, and what others learn of it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { stages, useScene } from "../support/scene.js";
import { Signer } from "../support/self_signed.js";
import { StagePage } from "../support/stage_pages.js";
import { eventually } from "../support/wait.js";

useScene("browser_stage_token", { closesPages: true });

test("a guest becomes a host and a guest again, without an interruption, and others see its attributes", async () => {
  const arn = await stages.create("exchange");
  const signer = await Signer.of(stages);
  const ann = await StagePage.join(arn, "ann", "publish");
  const guest = await signer.participant(arn, { capabilities: { allow_subscribe: true } });
  const bob = await StagePage.join(arn, "bob", "publish", { token: guest });
  await bob.shows(ann);
  assert.deepEqual(await ann.streamsOf(bob), []);
  /** @param {object} change */
  const exchange = change => {
    const token = signer.sign({ ...guest.payload, ...change });
    return bob.page.evaluate(`window.stage.exchangeToken(${JSON.stringify(token)})`);
  };

  const all = { allow_publish: true, allow_subscribe: true };
  await exchange({ capabilities: all, attributes: { role: "host" } });
  await ann.shows(bob);
  assert.equal(await ann.page.evaluate(`window.infoOf("${bob.id}").attributes.role`), "host");
  await exchange({ capabilities: all, attributes: { role: "speaker" } });
  await eventually(
    async () => (await ann.page.evaluate(`window.infoOf("${bob.id}").attributes.role`)) === "speaker",
    "the new attributes",
  );
  assert.equal((await ann.events("stageParticipantMetadataChanged")).length, 1);
  await exchange({});
  await ann.shows(bob, []);
  await bob.movesOn(ann);
  assert.equal((await bob.events("stageConnectionStateChanged")).length, 2);

  await assert.rejects(exchange({ jti: "another" }), /keeps its jti/);
  await assert.rejects(exchange({ exp: 1, iat: 0 }), /expired/);
  await bob.movesOn(ann);
});

test("a token of CreateParticipantToken cannot be exchanged, and stays in use", async () => {
  const arn = await stages.create("created");
  const ann = await StagePage.join(arn, "ann", "publish");
  const bob = await StagePage.join(arn, "bob", "");
  await bob.shows(ann);
  await assert.rejects(bob.page.evaluate(`window.stage.exchangeToken("${bob.token}")`), /StageError/);
  await bob.movesOn(ann);
});
