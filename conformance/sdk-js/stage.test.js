/** Stages, tokens and errors through the SDK's commands, its deserializers and its error classes. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
  AccessDeniedException,
  CreateParticipantTokenCommand,
  CreateStageCommand,
  DeleteStageCommand,
  DisconnectParticipantCommand,
  GetStageCommand,
  IVSRealTimeClient,
  IVSRealTimeServiceException,
  ListStageSessionsCommand,
  ListStagesCommand,
  paginateListStages,
  ResourceNotFoundException,
  UpdateStageCommand,
  ValidationException,
} from "@aws-sdk/client-ivs-realtime";

import { Server } from "../browser/support/server.js";
import { client, collect } from "./support.js";

const ACCOUNT = "000000000000";
const UNKNOWN_STAGE = `arn:aws:ivs:eu-west-1:${ACCOUNT}:stage/AAAAbbbb1234`;

/** @type {Server} */
let server;
/** @type {IVSRealTimeClient} */
let ivs;

before(async () => {
  server = await Server.start("sdk_js_stage");
  ivs = await client(server);
});
after(async () => {
  ivs.destroy();
  await server.stop();
});

test("a stage with tokens comes back as typed as the SDK has it", async () => {
  const asked = {
    name: "lobby",
    tags: { team: "js", empty: "" },
    participantTokenConfigurations: [
      { duration: 30, userId: "ann é😀", attributes: { role: "host" }, capabilities: ["PUBLISH"] },
      {},
    ],
  };
  const startedAt = Date.now();
  const made = await ivs.send(new CreateStageCommand(asked));
  assert.equal(made.$metadata.httpStatusCode, 200);
  assert.ok(made.$metadata.requestId);
  const { stage, participantTokens } = made;
  assert.match(stage.arn, /^arn:aws:ivs:eu-west-1:000000000000:stage\/[a-zA-Z0-9]{12}$/);
  assert.equal(stage.name, "lobby");
  assert.deepEqual(stage.tags, asked.tags);
  assert.equal(stage.activeSessionId, undefined);
  assert.deepEqual(stage.autoParticipantRecordingConfiguration, {
    storageConfigurationArn: "",
    mediaTypes: ["AUDIO_VIDEO"],
    thumbnailConfiguration: { targetIntervalSeconds: 60, storage: ["SEQUENTIAL"], recordingMode: "DISABLED" },
    recordingReconnectWindowSeconds: 0,
    hlsConfiguration: { targetSegmentDurationSeconds: 6 },
    recordParticipantReplicas: true,
  });
  assert.equal(stage.endpoints.whip, `${server.url}/whip`);
  const [ann, plain] = participantTokens;
  const { participantId, token, expirationTime, ...echoed } = ann;
  assert.deepEqual(echoed, asked.participantTokenConfigurations[0]);
  assert.ok(expirationTime instanceof Date);
  // The time in a token is in whole seconds.
  assert.ok(Math.abs(expirationTime.getTime() - startedAt - 30 * 60_000) < 5_000);
  assert.match(participantId, /^[a-zA-Z0-9]{12}$/);
  const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  assert.equal(claims.jti, participantId);
  assert.equal(claims.exp, expirationTime.getTime() / 1000);
  assert.notEqual(plain.participantId, participantId);
  const got = await ivs.send(new GetStageCommand({ arn: stage.arn }));
  assert.deepEqual(got.stage, stage);
});

test("a stage is renamed, listed and deleted", async () => {
  const { stage } = await ivs.send(new CreateStageCommand({ name: "before", tags: { kept: "yes" } }));
  const { stage: renamed } = await ivs.send(new UpdateStageCommand({ arn: stage.arn, name: "after" }));
  assert.equal(renamed.name, "after");
  assert.deepEqual(renamed.tags, { kept: "yes" });
  const { stages } = await ivs.send(new ListStagesCommand({ maxResults: 100 }));
  const summary = stages.find(item => item.arn === stage.arn);
  assert.deepEqual(summary, { arn: stage.arn, name: "after", tags: { kept: "yes" } });
  await ivs.send(new DeleteStageCommand({ arn: stage.arn }));
  await assert.rejects(ivs.send(new GetStageCommand({ arn: stage.arn })), ResourceNotFoundException);
});

test("a token of its own, and its end", async () => {
  const { stage } = await ivs.send(new CreateStageCommand({}));
  const wishes = { stageArn: stage.arn, userId: "bo", duration: 20160, capabilities: ["SUBSCRIBE"] };
  const { participantToken } = await ivs.send(new CreateParticipantTokenCommand(wishes));
  assert.equal(participantToken.userId, "bo");
  assert.equal(participantToken.duration, 20160);
  assert.deepEqual(participantToken.capabilities, ["SUBSCRIBE"]);
  const { participantId } = participantToken;
  await ivs.send(new DisconnectParticipantCommand({ stageArn: stage.arn, participantId, reason: "enough" }));
  const { stageSessions } = await ivs.send(new ListStageSessionsCommand({ stageArn: stage.arn }));
  assert.deepEqual(stageSessions, []);
});

test("the paginator walks all stages in pages of any size", async () => {
  const made = new Set();
  for (let index = 0; index < 7; index += 1) {
    const { stage } = await ivs.send(new CreateStageCommand({ name: `page-${index}` }));
    made.add(stage.arn);
  }
  const { stages: all } = await ivs.send(new ListStagesCommand({ maxResults: 100 }));
  for (const pageSize of [1, 2, 3, all.length, 100]) {
    const pages = await collect(paginateListStages({ client: ivs, pageSize }, {}));
    assert.deepEqual(
      pages.flatMap(page => page.stages),
      all,
      `pages of ${pageSize}`,
    );
    assert.equal(pages.length, Math.ceil(all.length / pageSize));
    assert.ok(pages.slice(0, -1).every(page => page.stages.length === pageSize && page.nextToken));
    assert.equal(pages.at(-1).nextToken, undefined);
  }
  assert.equal(all.filter(stage => made.has(stage.arn)).length, made.size);
});

test("the paginator goes on from a token that was kept", async () => {
  const first = await ivs.send(new ListStagesCommand({ maxResults: 2 }));
  const { stages: all } = await ivs.send(new ListStagesCommand({ maxResults: 100 }));
  const config = { client: ivs, pageSize: 3, startingToken: first.nextToken };
  const rest = (await collect(paginateListStages(config, {}))).flatMap(page => page.stages);
  assert.deepEqual([...first.stages, ...rest], all);
});

test("a page token that is not ours is refused", async () => {
  const config = { client: ivs, startingToken: "bm90b3Vycw" };
  const error = await collect(paginateListStages(config, {})).catch(caught => caught);
  assert.ok(error instanceof ValidationException, `${error}`);
  assert.match(error.message, /nextToken/);
});

/** Each error is an instance of its class, with its sentence, status and request id. */
const REFUSED = [
  [
    "an unknown stage",
    new GetStageCommand({ arn: UNKNOWN_STAGE }),
    ResourceNotFoundException,
    404,
    /AAAAbbbb1234/,
  ],
  ["a bad name", new CreateStageCommand({ name: "white space" }), ValidationException, 400, /name/],
  ["no ARN", new GetStageCommand({}), ValidationException, 400, /arn/],
  [
    "another account",
    new GetStageCommand({ arn: UNKNOWN_STAGE.replace(ACCOUNT, "210987654321") }),
    AccessDeniedException,
    403,
    /210987654321/,
  ],
];
for (const [what, command, type, status, sentence] of REFUSED) {
  test(`${what} is a ${type.name}`, async () => {
    const error = await ivs.send(command).catch(caught => caught);
    assert.ok(error instanceof type && error instanceof IVSRealTimeServiceException, `${error}`);
    assert.equal(error.name, type.name);
    assert.equal(error.$fault, "client");
    assert.equal(error.$metadata.httpStatusCode, status);
    assert.ok(error.$metadata.requestId);
    assert.match(error.message, sentence);
    assert.equal(error.exceptionMessage, error.message);
  });
}

test("errors no model has still have their name", async () => {
  const { accessKeyId } = await server.credentials();
  const wrong = await client(server, { credentials: { accessKeyId, secretAccessKey: "x".repeat(40) } });
  const refused = await wrong.send(new ListStagesCommand({})).catch(caught => caught);
  wrong.destroy();
  assert.ok(refused instanceof IVSRealTimeServiceException);
  assert.equal(refused.name, "InvalidSignatureException");
  assert.equal(refused.$metadata.httpStatusCode, 403);
  assert.match(refused.message, /signature/i);
});

test("each region has stages of its own", async () => {
  const elsewhere = await client(server, { region: "ap-south-1" });
  const { stage } = await elsewhere.send(new CreateStageCommand({ name: "elsewhere" }));
  assert.match(stage.arn, /^arn:aws:ivs:ap-south-1:/);
  const { stages } = await elsewhere.send(new ListStagesCommand({}));
  assert.deepEqual(
    stages.map(item => item.arn),
    [stage.arn],
  );
  elsewhere.destroy();
  await assert.rejects(ivs.send(new GetStageCommand({ arn: stage.arn })), ResourceNotFoundException);
});
