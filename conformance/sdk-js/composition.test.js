/** Compositions through the SDK's commands, its deserializers and its error classes. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
  ConflictException,
  CreateEncoderConfigurationCommand,
  CreateStageCommand,
  CreateStorageConfigurationCommand,
  DeleteEncoderConfigurationCommand,
  GetCompositionCommand,
  paginateListCompositions,
  ResourceNotFoundException,
  StartCompositionCommand,
  StopCompositionCommand,
  ValidationException,
} from "@aws-sdk/client-ivs-realtime";

import { Server } from "../browser/support/server.js";
import { client, collect } from "./support.js";

/** @type {Server} */
let server;
/** @type {import("@aws-sdk/client-ivs-realtime").IVSRealTimeClient} */
let ivs;

before(async () => {
  server = await Server.start("sdk_js_composition");
  ivs = await client(server);
});
after(async () => {
  ivs.destroy();
  await server.stop();
});

test("a composition is started, read, listed and stopped", async () => {
  const { stage } = await ivs.send(new CreateStageCommand({ name: "show" }));
  const bucket = new CreateStorageConfigurationCommand({ s3: { bucketName: "my-vods" } });
  const { storageConfiguration } = await ivs.send(bucket);
  const video = { width: 640, height: 360, framerate: 15, bitrate: 500_000 };
  const { encoderConfiguration } = await ivs.send(
    new CreateEncoderConfigurationCommand({ name: "small", video }),
  );
  const asked = {
    stageArn: stage.arn,
    idempotencyToken: "once",
    layout: { pip: { pipPosition: "TOP_LEFT", pipBehavior: "DYNAMIC", pipOffset: 8 } },
    destinations: [
      {
        name: "vod",
        s3: {
          storageConfigurationArn: storageConfiguration.arn,
          encoderConfigurationArns: [encoderConfiguration.arn],
          recordingConfiguration: { format: "HLS", hlsConfiguration: { targetSegmentDurationSeconds: 4 } },
          thumbnailConfigurations: [{ targetIntervalSeconds: 5, storage: ["LATEST"] }],
        },
      },
    ],
    tags: { team: "js" },
  };
  const { composition } = await ivs.send(new StartCompositionCommand(asked));
  assert.match(composition.arn, /^arn:aws:ivs:eu-west-1:000000000000:composition\/[a-zA-Z0-9]{12}$/);
  assert.equal(composition.state, "STARTING");
  assert.ok(composition.startTime === undefined || composition.startTime instanceof Date);
  assert.deepEqual(composition.tags, asked.tags);
  const { pip } = composition.layout;
  assert.deepEqual([pip.pipPosition, pip.pipBehavior, pip.pipOffset], ["TOP_LEFT", "DYNAMIC", 8]);
  const [destination] = composition.destinations;
  assert.equal(destination.configuration.name, "vod");
  assert.deepEqual(destination.configuration.s3, asked.destinations[0].s3);
  assert.match(destination.detail.s3.recordingPrefix, new RegExp(`^${stage.arn.split("/")[1]}/`));
  // The same request is the same composition.
  const again = await ivs.send(new StartCompositionCommand(asked));
  assert.equal(again.composition.arn, composition.arn);
  const inUse = new DeleteEncoderConfigurationCommand({ arn: encoderConfiguration.arn });
  await assert.rejects(ivs.send(inUse), ConflictException);
  const pages = paginateListCompositions({ client: ivs, pageSize: 1 }, { filterByStageArn: stage.arn });
  const [listed] = (await collect(pages)).flatMap(page => page.compositions);
  assert.equal(listed.arn, composition.arn);
  assert.equal(listed.destinations[0].id, destination.id);
  await ivs.send(new StopCompositionCommand({ arn: composition.arn }));
  const read = await ivs.send(new GetCompositionCommand({ arn: composition.arn }));
  assert.ok(["STOPPING", "STOPPED"].includes(read.composition.state), read.composition.state);
});

test("what cannot be composed is refused by the classes of the SDK", async () => {
  const { stage } = await ivs.send(new CreateStageCommand({}));
  const channelArn = stage.arn.replace(":stage/", ":channel/");
  const unknown = new StartCompositionCommand({
    stageArn: stage.arn,
    destinations: [{ channel: { channelArn } }],
  });
  await assert.rejects(ivs.send(unknown), error => {
    assert.ok(error instanceof ResourceNotFoundException);
    assert.match(error.message, /setting channel/);
    return true;
  });
  const empty = new StartCompositionCommand({ stageArn: stage.arn, destinations: [] });
  await assert.rejects(ivs.send(empty), ValidationException);
  const nobody = stage.arn.replace(":stage/", ":composition/");
  await assert.rejects(ivs.send(new GetCompositionCommand({ arn: nobody })), ResourceNotFoundException);
  await assert.rejects(ivs.send(new StopCompositionCommand({ arn: nobody })), ResourceNotFoundException);
});
