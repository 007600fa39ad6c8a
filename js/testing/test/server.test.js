import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { eventually, isRunning, project, run } from "./support.js";

const README = join(dirname(fileURLToPath(import.meta.url)), "../README.md");
let home;
let testing;
let sdk;
let server;

before(async () => {
  home = project();
  const modules = join(home.directory, "node_modules");
  testing = await import(pathToFileURL(join(modules, "@restage/testing/src/index.js")));
  const entry = JSON.parse(
    readFileSync(join(modules, "@aws-sdk/client-ivs-realtime/package.json"), "utf8"),
  ).main;
  sdk = await import(pathToFileURL(join(modules, "@aws-sdk/client-ivs-realtime", entry)));
  server = await testing.startServer();
});

after(async () => {
  await server?.stop();
  home.remove();
});

test("the AWS SDK uses it, and reset empties it", async () => {
  const client = new sdk.IVSRealTimeClient(server.clientConfig);
  const { stage } = await client.send(new sdk.CreateStageCommand({ name: "main" }));
  await client.send(
    new sdk.CreateIngestConfigurationCommand({ ingestProtocol: "RTMPS", stageArn: stage.arn }),
  );
  await client.send(new sdk.CreateEncoderConfigurationCommand({ name: "small" }));
  for (let number = 0; number < 60; number += 1) {
    await client.send(new sdk.CreateStageCommand({ name: `stage-${number}` }));
  }
  await server.reset();
  assert.deepEqual((await client.send(new sdk.ListStagesCommand({}))).stages, []);
  assert.deepEqual(
    (await client.send(new sdk.ListEncoderConfigurationsCommand({}))).encoderConfigurations,
    [],
  );
  assert.deepEqual((await client.send(new sdk.ListIngestConfigurationsCommand({}))).ingestConfigurations, []);
  client.destroy();
});

test("somebody publishes and is replicated", async () => {
  const client = await server.client();
  const stage = async name => (await client.send(new sdk.CreateStageCommand({ name }))).stage.arn;
  const [source, hall] = [await stage("source"), await stage("hall")];
  const ann = await server.publish(source, { userId: "ann" });
  assert.equal(ann.stageArn, source);
  const ends = { sourceStageArn: source, destinationStageArn: hall, participantId: ann.participantId };
  await client.send(new sdk.StartParticipantReplicationCommand(ends));
  await ann.stop();
  await assert.rejects(server.publish("nowhere"), /restage publish ended with .*nowhere/s);
  await server.reset();
  client.destroy();
});

test("settings reach the server", async () => {
  const other = await testing.startServer({
    settings: { "limit-stages": 1, workers: 2 },
    region: "eu-west-1",
  });
  try {
    const client = await other.client();
    const { stage } = await client.send(new sdk.CreateStageCommand({ name: "one" }));
    assert.match(stage.arn, /:eu-west-1:/);
    const refused = client.send(new sdk.CreateStageCommand({ name: "two" }));
    await assert.rejects(refused, { name: "ServiceQuotaExceededException" });
    assert.match(other.log(), /2 workers/);
    assert.match(await other.command("stages", "list"), /one/);
    client.destroy();
  } finally {
    await other.stop();
  }
});

test("it says why it does not start", async () => {
  const wrong = testing.startServer({ settings: { "no-such-setting": true } });
  await assert.rejects(wrong, /did not start: exit code 2.*command: .*serve.*no-such-setting/s);
  const missing = new testing.RestageServer({ binary: "/no/such/program" }).start();
  await assert.rejects(missing, { name: "ServerError", message: /'\/no\/such\/program'.*RESTAGE_BINARY/ });
  const sleeper = join(home.directory, "sleeper");
  writeFileSync(sleeper, "#!/bin/sh\necho waiting for nothing >&2\nexec sleep 60\n", { mode: 0o755 });
  const never = testing.startServer({ binary: sleeper, startTimeoutMs: 500 });
  await assert.rejects(never, /not ready within 500 ms.*waiting for nothing/s);
});

test("a server that has ended is noticed", async () => {
  const other = await testing.startServer();
  process.kill(other.pid, "SIGKILL");
  await eventually(() => {
    try {
      return !other.endpoint;
    } catch (error) {
      return /ended by itself: exit code SIGKILL/.test(error.message);
    }
  }, "it ends");
  await other.stop();
});

test("a directory of one's own is kept, a temporary one is removed", async () => {
  const directory = join(home.directory, "kept");
  for (const expected of [[], ["main"]]) {
    const other = await testing.startServer({ directory });
    const client = await other.client();
    const { stages } = await client.send(new sdk.ListStagesCommand({}));
    assert.deepEqual(
      stages.map(stage => stage.name),
      expected,
    );
    await client.send(new sdk.CreateStageCommand({ name: "main" }));
    client.destroy();
    await other.stop();
  }
  const other = await testing.startServer();
  const { directory: place, pid } = other;
  await other.stop();
  await other.stop();
  assert.equal(existsSync(place), false);
  assert.equal(isRunning(pid), false);
});

const STARTS = `
import { startServer } from "@restage/testing";
const server = await startServer();
const { CreateStageCommand } = await import("@aws-sdk/client-ivs-realtime");
const client = await server.client();
const { stage } = await client.send(new CreateStageCommand({ name: "main" }));
await server.publish(stage.arn);
console.log("started", server.pid, server.directory);
`;

for (const how of ["SIGKILL", "SIGTERM", "forgotten"]) {
  test(`nothing stays when the process of the tests ends: ${how}`, async () => {
    const stays = how === "forgotten" ? "client.destroy();" : "setInterval(() => {}, 1000);";
    const started = run(home, STARTS + stays);
    await eventually(
      () => /started .*\n/.test(started.output()) || started.child.exitCode !== null,
      "it starts",
    );
    const found = started.output().match(/started (\d+) (.*)/);
    assert.ok(found, started.output());
    const [, pid, directory] = found;
    if (how !== "forgotten") {
      assert.ok(isRunning(pid));
      started.child.kill(how);
    }
    // One that was forgotten does not keep the process alive.
    await started.ended;
    await eventually(() => !isRunning(pid), "the server ends");
    await eventually(() => !existsSync(directory), "its directory is removed");
  });
}

test("the example of the README passes", async () => {
  const example = readFileSync(README, "utf8").match(/```js\n(import \{ after.*?)```/s)[1];
  const { code, out } = await run(home, example, ["--test-reporter=tap"]).ended;
  assert.equal(code, 0, out);
  assert.match(out, /^# pass 1$/m);
});
