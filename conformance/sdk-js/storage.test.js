/** Storage configurations and the recording settings of stages through the SDK's commands, paginators and error classes. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
  ConflictException,
  CreateStageCommand,
  CreateStorageConfigurationCommand,
  DeleteStageCommand,
  DeleteStorageConfigurationCommand,
  GetStorageConfigurationCommand,
  IVSRealTimeClient,
  ListStorageConfigurationsCommand,
  ListTagsForResourceCommand,
  paginateListStorageConfigurations,
  ResourceNotFoundException,
  UpdateStageCommand,
  ValidationException,
} from "@aws-sdk/client-ivs-realtime";

import { Server } from "../browser/support/server.js";
import { client, collect } from "./support.js";

/** @type {Server} */
let server;
/** @type {IVSRealTimeClient} */
let ivs;

before(async () => {
  server = await Server.start("sdk_js_storage");
  ivs = await client(server);
});
after(async () => {
  ivs.destroy();
  await server.stop();
});

/** @param {object} [more] */
async function create(more = {}) {
  const asked = { s3: { bucketName: "js-bucket" }, ...more };
  const { storageConfiguration } = await ivs.send(new CreateStorageConfigurationCommand(asked));
  return storageConfiguration;
}

test("a storage configuration comes back as typed as the SDK has it, and is listed page by page", async () => {
  const made = [];
  for (const name of ["a", "b", "c"]) made.push(await create({ name, tags: { team: "js" } }));
  const [first] = made;
  assert.match(first.arn, /^arn:aws:ivs:eu-west-1:000000000000:storage-configuration\/[a-zA-Z0-9]{12}$/);
  assert.deepEqual(
    { ...first, arn: "" },
    { arn: "", name: "a", s3: { bucketName: "js-bucket" }, tags: { team: "js" } },
  );
  const got = await ivs.send(new GetStorageConfigurationCommand({ arn: first.arn }));
  assert.deepEqual(got.storageConfiguration, first);
  const { tags } = await ivs.send(new ListTagsForResourceCommand({ resourceArn: first.arn }));
  assert.deepEqual(tags, { team: "js" });
  const pages = await collect(paginateListStorageConfigurations({ client: ivs, pageSize: 2 }, {}));
  assert.deepEqual(
    pages.map(page => page.storageConfigurations.length),
    [2, 1],
  );
  const arns = pages.flatMap(page => page.storageConfigurations.map(({ arn }) => arn));
  assert.deepEqual(arns.sort(), made.map(({ arn }) => arn).sort());
  for (const { arn } of made) await ivs.send(new DeleteStorageConfigurationCommand({ arn }));
  const { storageConfigurations } = await ivs.send(new ListStorageConfigurationsCommand({}));
  assert.deepEqual(storageConfigurations, []);
});

test("a stage names one, which cannot be deleted meanwhile", async () => {
  const { arn } = await create();
  const autoParticipantRecordingConfiguration = {
    storageConfigurationArn: arn,
    mediaTypes: ["AUDIO_VIDEO"],
    thumbnailConfiguration: {
      targetIntervalSeconds: 5,
      storage: ["SEQUENTIAL", "LATEST"],
      recordingMode: "INTERVAL",
    },
    recordingReconnectWindowSeconds: 60,
    hlsConfiguration: { targetSegmentDurationSeconds: 4 },
    recordParticipantReplicas: false,
  };
  const { stage } = await ivs.send(new CreateStageCommand({ autoParticipantRecordingConfiguration }));
  assert.deepEqual(stage.autoParticipantRecordingConfiguration, autoParticipantRecordingConfiguration);
  await assert.rejects(ivs.send(new DeleteStorageConfigurationCommand({ arn })), error => {
    assert.ok(error instanceof ConflictException);
    assert.equal(error.$metadata.httpStatusCode, 409);
    return true;
  });
  const reset = { arn: stage.arn, autoParticipantRecordingConfiguration: { storageConfigurationArn: "" } };
  const updated = await ivs.send(new UpdateStageCommand(reset));
  assert.equal(updated.stage.autoParticipantRecordingConfiguration.storageConfigurationArn, "");
  await ivs.send(new DeleteStorageConfigurationCommand({ arn }));
  await ivs.send(new DeleteStageCommand({ arn: stage.arn }));
  await assert.rejects(ivs.send(new GetStorageConfigurationCommand({ arn })), ResourceNotFoundException);
});

test("what breaks a rule is refused with the SDK's own class", async () => {
  await assert.rejects(create({ s3: { bucketName: "no" } }), ValidationException);
  await assert.rejects(create({ name: "white space" }), ValidationException);
  const unknown = "arn:aws:ivs:eu-west-1:000000000000:storage-configuration/AAAAbbbb1234";
  const autoParticipantRecordingConfiguration = { storageConfigurationArn: unknown };
  // The model has no ResourceNotFoundException for CreateStage.
  const stage = ivs.send(new CreateStageCommand({ autoParticipantRecordingConfiguration }));
  await assert.rejects(stage, ValidationException);
});
