import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { eventually, isRunning, project, run } from "./support.js";

const README = join(dirname(fileURLToPath(import.meta.url)), "../README.md");
let home;
let testing;
let sdk;
let inside;
let server;

before(async () => {
  home = project();
  const modules = join(home.directory, "node_modules");
  testing = await import(pathToFileURL(join(modules, "@restage/testing/src/index.js")));
  inside = name => import(pathToFileURL(join(modules, "@restage/testing/src", name)));
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
  await assert.rejects(server.publish("-nowhere"), /restage publish ended with .*-nowhere/s);
  await server.reset();
  client.destroy();
});

for (const userId of ["--help", "-x", "-"]) {
  test(`a user id may begin with a hyphen: ${userId}`, async () => {
    const client = await server.client();
    const { stage } = await client.send(new sdk.CreateStageCommand({ name: "main" }));
    const publisher = await server.publish(stage.arn, { userId });
    const { activeSessionId } = (await client.send(new sdk.GetStageCommand({ arn: stage.arn }))).stage;
    const asked = { stageArn: stage.arn, sessionId: activeSessionId, participantId: publisher.participantId };
    assert.equal((await client.send(new sdk.GetParticipantCommand(asked))).participant.userId, userId);
    await server.reset();
    client.destroy();
  });
}

test("a command that fails says why", async () => {
  const failing = server.command("stages", "get", "nowhere");
  await assert.rejects(failing, {
    name: "ServerError",
    message: /stages get nowhere: ended with \d+: .*nowhere/s,
  });
});

/** Whether the server says that it has ended. */
function hasEnded(other) {
  try {
    return !other.endpoint;
  } catch (error) {
    return /ended by itself: exit code SIGKILL/.test(error.message);
  }
}

/** The names of all stages. */
async function names(other) {
  const client = await other.client();
  const { stages } = await client.send(new sdk.ListStagesCommand({}));
  client.destroy();
  return stages.map(stage => stage.name);
}

test("a restart keeps address and data, also of a server that has ended", async () => {
  const other = await testing.startServer();
  try {
    await other.command("stages", "create", "kept");
    const { endpoint, pid } = other;
    await other.restart();
    await other.restart({ kill: true });
    assert.notEqual(other.pid, pid);
    process.kill(other.pid, "SIGKILL");
    await eventually(() => hasEnded(other), "it ends");
    await other.restart();
    assert.equal(other.endpoint, endpoint);
    assert.deepEqual(await names(other), ["kept"]);
  } finally {
    await other.stop();
  }
  await assert.rejects(other.restart(), /was stopped: start\(\) starts it/);
});

test("a public URL that leads nowhere is no hindrance", async () => {
  const settings = { "public-url": "https://video.invalid" };
  const other = await testing.startServer({ settings, startTimeoutMs: 10_000 });
  try {
    const { endpoint } = other;
    assert.match(endpoint, /^http:\/\/127\.0\.0\.1:/);
    assert.equal(other.environment.AWS_ENDPOINT_URL_IVS_REALTIME, endpoint);
    await other.restart();
    assert.equal(other.endpoint, endpoint);
    assert.deepEqual(await names(other), []);
  } finally {
    await other.stop();
  }
});

const ELSEWHERE = `
// Proxies, and tests that replace fetch.
globalThis.fetch = () => Promise.reject(new Error("not this way"));
for (const name of ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"]) {
  process.env[name] = "http://127.0.0.1:9";
}
process.env.no_proxy = "example.org";
for (const name of ["AWS_PROFILE", "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS", "AWS_SESSION_TOKEN", "AWS_DEFAULTS_MODE"]) {
  process.env[name] = "nope";
}
process.env.AWS_USE_FIPS_ENDPOINT = process.env.AWS_USE_DUALSTACK_ENDPOINT = "true";
const { startServer } = await import("@restage/testing");
const { CreateStageCommand, IVSRealTimeClient } = await import("@aws-sdk/client-ivs-realtime");
const server = await startServer({ startTimeoutMs: 10_000 });
try {
  for (const client of [await server.client(), new IVSRealTimeClient(server.clientConfig)]) {
    await client.send(new CreateStageCommand({ name: "main" }));
    client.destroy();
  }
  await server.reset();
  console.log(server.environment.no_proxy, server.environment.NO_PROXY);
} finally {
  await server.stop();
}
`;

test("no proxy and no profile of the environment is used", async () => {
  const environment = { NODE_USE_ENV_PROXY: "1", NO_PROXY: "" };
  const { code, out } = await run(home, ELSEWHERE, [], environment).ended;
  assert.equal(code, 0, out);
  assert.match(out, /^example\.org,127\.0\.0\.1 example\.org,127\.0\.0\.1$/m);
});

test("every text is a string of TOML", async () => {
  const { toml } = await inside("settings.js");
  const controls = Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code)).join("");
  assert.equal(toml({ a: '\x7fé😀"\\' }), 'a = "\\u007fé😀\\"\\\\"\n');
  assert.match(
    toml({ a: controls, b: { "\x7f": ["\x7f", 1, true] } }),
    /^a = "[\x20-\x7e]+"\nb = \{"[\x20-\x7e]+\}\n$/,
  );
});

/** Calls it with a place of its own for temporary directories, and expects nothing in it then. */
async function withTemporary(name, call) {
  const place = join(home.directory, name);
  mkdirSync(place, { recursive: true });
  const before = process.env.TMPDIR;
  process.env.TMPDIR = place;
  try {
    await call(place);
  } finally {
    if (before === undefined) {
      delete process.env.TMPDIR;
    } else {
      process.env.TMPDIR = before;
    }
  }
  assert.deepEqual(readdirSync(place), []);
}

test("the temporary directory and settings may have any characters", async () => {
  await withTemporary("a 😀 \x7f \"'$x", async place => {
    const settings = {
      "webhook-url": "http://127.0.0.1:9/",
      "webhook-secret": "sé😀\x7f".repeat(10),
      limits: undefined,
      "media-port": undefined,
    };
    const other = await testing.startServer({ settings });
    assert.equal(dirname(other.directory), place);
    assert.deepEqual(await names(other), []);
    await other.stop();
  });
});

const REFUSED = [
  [{ limits: null }, /'limits' is object null: give text/],
  [{ workers: 1n }, /'workers' is bigint 1: give text/],
  [{ workers: Number.NaN }, /'workers' is number NaN/],
  [{ workers: new Date(0) }, /'workers' is object/],
  [{ workers: [{ a: undefined }] }, /'workers' is undefined/],
  [{ "webhook-secret": "\ud83d" }, /'webhook-secret' has text that is not Unicode/],
  [{ 'limits = "aws"\nworkers': 2 }, /is not the name of a setting/],
  [{ "data-dir": "/tmp/elsewhere" }, /'data-dir' is made by @restage\/testing: give `directory`/],
  [{ http: "127.0.0.1:80" }, /'http' is made by @restage\/testing: .*`endpoint`/],
];

test("a setting that cannot be is refused, and nothing stays", async () => {
  await withTemporary("refused", async () => {
    for (const [settings, message] of REFUSED) {
      await assert.rejects(testing.startServer({ settings }), { name: "ServerError", message });
    }
  });
});

test("a program that does not run is an error, and nothing stays", async () => {
  const binary = join(home.directory, "broken");
  await withTemporary("broken-program", async () => {
    // The second one is taken by the shell, as the system's execvp does it.
    for (const content of ["#!/no/such/interpreter\n", "\x7fELFgarbage"]) {
      writeFileSync(binary, content, { mode: 0o755 });
      const refused = testing.startServer({ binary });
      await assert.rejects(refused, {
        name: "ServerError",
        message: /^(cannot run|restage did not start).*broken/s,
      });
    }
  });
});

test("a temporary directory that cannot be made is an error", async () => {
  await withTemporary("unusable", async place => {
    process.env.TMPDIR = join(place, "missing");
    const message = /cannot use the directory .*missing.*set TMPDIR/;
    await assert.rejects(testing.startServer(), { name: "ServerError", message });
  });
  const directory = join(home.directory, "file");
  writeFileSync(directory, "");
  const message = /cannot use the directory .*another `directory`/;
  await assert.rejects(testing.startServer({ directory }), { name: "ServerError", message });
});

test("the watcher kills nobody who got the id of a program that ended", async () => {
  const { startedAt, watchCommand } = await inside("child.js");
  const other = spawn("sleep", ["600"], { stdio: "ignore" });
  const ended = new Promise(resolve => {
    other.once("exit", (_, signal) => resolve(signal));
  });
  const watch = (started, remove) => {
    const [shell, ...words] = watchCommand(other.pid, started, remove);
    assert.equal(spawnSync(shell, words, { input: "" }).error, undefined);
  };
  try {
    const started = startedAt(other.pid);
    const place = join(home.directory, "removed");
    mkdirSync(place);
    watch(String(Number(started) - 1), place);
    assert.equal(existsSync(place), false);
    assert.ok(isRunning(other.pid));
    watch(started, "");
    assert.equal(await ended, "SIGKILL");
  } finally {
    other.kill("SIGKILL");
  }
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
  await eventually(() => hasEnded(other), "it ends");
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
