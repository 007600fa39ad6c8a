/** Ingest configurations through the SDK's commands, paginator and error classes. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
  CreateIngestConfigurationCommand,
  CreateStageCommand,
  DeleteIngestConfigurationCommand,
  DeleteStageCommand,
  GetIngestConfigurationCommand,
  IVSRealTimeClient,
  ListIngestConfigurationsCommand,
  paginateListIngestConfigurations,
  ResourceNotFoundException,
  UpdateIngestConfigurationCommand,
  ValidationException,
} from "@aws-sdk/client-ivs-realtime";

import { Server } from "../browser/support/server.js";
import { client, collect } from "./support.js";

/** @type {Server} */
let server;
/** @type {IVSRealTimeClient} */
let ivs;

before(async () => {
  server = await Server.start("sdk_js_ingest");
  ivs = await client(server);
});
after(async () => {
  ivs.destroy();
  await server.stop();
});

/** @param {object} [more] */
async function create(more = {}) {
  const asked = { ingestProtocol: "RTMPS", ...more };
  const { ingestConfiguration } = await ivs.send(new CreateIngestConfigurationCommand(asked));
  return ingestConfiguration;
}

test("an ingest configuration comes back as typed as the SDK has it, and is listed page by page", async () => {
  const { stage } = await ivs.send(new CreateStageCommand({}));
  const asked = {
    stageArn: stage.arn,
    userId: "encoder",
    attributes: { order: "1" },
    tags: { team: "js" },
  };
  const made = [];
  for (const name of ["a", "b", "c"]) made.push(await create({ name, ...asked }));
  const [first] = made;
  const { arn, streamKey, participantId, ...rest } = first;
  assert.match(arn, /^arn:aws:ivs:eu-west-1:000000000000:ingest-configuration\/[a-zA-Z0-9]{12}$/);
  assert.deepEqual(rest, {
    name: "a",
    ingestProtocol: "RTMPS",
    state: "INACTIVE",
    redundantIngest: false,
    ...asked,
  });
  assert.match(participantId, /^[a-zA-Z0-9]{12}$/);
  assert.ok(streamKey.startsWith(`rt_000000000000_eu-west-1_${arn.split("/")[1]}_`));
  const got = await ivs.send(new GetIngestConfigurationCommand({ arn }));
  assert.deepEqual(got.ingestConfiguration, first);
  const filter = { filterByStageArn: stage.arn };
  const pages = await collect(paginateListIngestConfigurations({ client: ivs, pageSize: 2 }, filter));
  assert.deepEqual(
    pages.map(page => page.ingestConfigurations.map(({ name }) => name)),
    [["a", "b"], ["c"]],
  );
  const moved = await ivs.send(new UpdateIngestConfigurationCommand({ arn, stageArn: "" }));
  assert.equal(moved.ingestConfiguration.stageArn, "");
  await ivs.send(new DeleteStageCommand({ arn: stage.arn }));
  for (const one of made) {
    const { ingestConfiguration } = await ivs.send(new GetIngestConfigurationCommand({ arn: one.arn }));
    assert.equal(ingestConfiguration.stageArn, "");
    await ivs.send(new DeleteIngestConfigurationCommand({ arn: one.arn, force: true }));
  }
  const { ingestConfigurations } = await ivs.send(new ListIngestConfigurationsCommand({}));
  assert.deepEqual(ingestConfigurations, []);
});

test("what breaks a rule is refused with the SDK's own class", async () => {
  await assert.rejects(create({ ingestProtocol: "RTMP" }), ValidationException);
  await assert.rejects(create({ name: "white space" }), ValidationException);
  const arn = "arn:aws:ivs:eu-west-1:000000000000:ingest-configuration/AAAAbbbb1234";
  await assert.rejects(ivs.send(new GetIngestConfigurationCommand({ arn })), ResourceNotFoundException);
  await assert.rejects(ivs.send(new UpdateIngestConfigurationCommand({ arn })), ResourceNotFoundException);
  await assert.rejects(ivs.send(new DeleteIngestConfigurationCommand({ arn })), ResourceNotFoundException);
});
