/** A stage against a server that a test plays: what an application sees, and what goes over the wire. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import {
  LocalStageStream,
  Stage,
  StageConnectionState,
  StageError,
  StageErrorCode,
  StageEvents,
  StageLeftReason,
  StageParticipantPublishState,
  SubscribeType,
} from "../src/index.js";
import { FakeSocket, settled, tokenWith } from "./fakes.js";
import { answered, latest, server } from "./rig.js";
import {
  bob,
  everybody,
  fakeTrack,
  join,
  nobody,
  publishing,
  stageState,
  tokenOf,
  told,
  useStageFakes,
} from "./stage_rig.js";

/** After this time without a connection the application is told. */
const OVERDUE_MS = 30_000;

useStageFakes();

test("a stage is joined once the server lists its participants, and left with all that it had", async () => {
  const { stage, happened } = await join(nobody, [bob]);
  stage.leave();
  stage.leave();
  assert.deepEqual(happened, [
    [StageEvents.STAGE_CONNECTION_STATE_CHANGED, "connecting"],
    [StageEvents.STAGE_CONNECTION_STATE_CHANGED, "connected"],
    [StageEvents.STAGE_PARTICIPANT_JOINED, "me"],
    [StageEvents.STAGE_PARTICIPANT_JOINED, "bob"],
    [StageEvents.STAGE_PARTICIPANT_LEFT, "bob"],
    [StageEvents.STAGE_PARTICIPANT_LEFT, "me"],
    [StageEvents.STAGE_CONNECTION_STATE_CHANGED, "disconnected"],
    [StageEvents.STAGE_LEFT, "user-initiated"],
  ]);
  assert.equal(latest().isClosed, true);
});

test("a stage can be joined again, and while it is being joined there is one socket", async () => {
  const { stage } = await join(nobody);
  stage.leave();
  const before = FakeSocket.made.length;
  const again = [stage.join(), stage.join()];
  assert.equal(FakeSocket.made.length, before + 1);
  latest().say(stageState());
  await Promise.all(again);
  await stage.join();
  stage.leave();
});

test("what is not a participant token is refused before anything is sent", () => {
  const before = FakeSocket.made.length;
  for (const token of ["nonsense", "", tokenWith({ jti: "me" })]) {
    assert.throws(() => new Stage(token, nobody), {
      name: "StageError",
      code: StageErrorCode.TOKEN_MALFORMED,
    });
  }
  assert.equal(FakeSocket.made.length, before);
});

test("a join that the server refuses is rejected with the service's code, and told", async () => {
  const stage = new Stage(tokenOf(), nobody);
  const errors: StageError[] = [];
  const left: StageLeftReason[] = [];
  stage.on(StageEvents.ERROR, error => errors.push(error));
  stage.on(StageEvents.STAGE_LEFT, reason => left.push(reason));
  const joined = stage.join();
  latest().end(4410, "PARTICIPANT_DISCONNECTED");
  await assert.rejects(joined, { name: "StageError", code: 10, category: "JOIN_ERROR" });
  assert.deepEqual([errors.length, left], [1, [StageLeftReason.PARTICIPANT_DISCONNECTED]]);
  assert.equal(errors[0].code, StageError.PARTICIPANT_DISCONNECTED);
});

test("a join that reaches nothing is rejected after half a minute", async () => {
  const stage = new Stage(tokenOf(), nobody);
  const joined = stage.join();
  for (let s = 0; s < 31; s++) {
    if (!latest().isClosed) latest().end(1006);
    mock.timers.tick(1000);
  }
  await assert.rejects(joined, { code: StageErrorCode.TIMEOUT });
  const sockets = FakeSocket.made.length;
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, sockets);
});

test("a join during which the stage is left is rejected as canceled", async () => {
  const stage = new Stage(tokenOf(), nobody);
  const joined = stage.join();
  stage.leave();
  await assert.rejects(joined, { code: StageErrorCode.CANCELED });
});

for (const [code, reason, left] of [
  [4409, "", StageLeftReason.TOKEN_REUSED],
  [4410, "", StageLeftReason.PARTICIPANT_DISCONNECTED],
  [4404, "", StageLeftReason.STAGE_DELETED],
  [4403, "TOKEN_REVOKED", StageLeftReason.REAL_TIME_CONNECTION_TOKEN_REVOCATION],
] as const) {
  test(`a socket that is closed with ${code} leaves the stage (${left}), and nothing is opened again`, async () => {
    const { happened } = await join(everybody, [bob]);
    latest().end(code, reason);
    assert.deepEqual(happened.at(-1), [StageEvents.STAGE_LEFT, left]);
    const sockets = FakeSocket.made.length;
    mock.timers.tick(600_000);
    assert.equal(FakeSocket.made.length, sockets);
  });
}

test("a lost connection is told, comes back by itself, and is called errored after half a minute", async () => {
  const { stage, happened } = await join(nobody, [bob]);
  happened.length = 0;
  latest().end(1012);
  for (let s = 0; s < OVERDUE_MS / 1000; s++) {
    if (!latest().isClosed) latest().end(1006);
    mock.timers.tick(1000);
  }
  while (latest().isClosed) mock.timers.tick(1000);
  latest().dispatchEvent(new Event("open"));
  latest().say(stageState(bob));
  assert.deepEqual(
    happened.filter(([name]) => name !== StageEvents.ERROR),
    ["connecting", "errored", "connected"].map(state => [StageEvents.STAGE_CONNECTION_STATE_CHANGED, state]),
  );
  assert.equal(happened.filter(([name]) => name === StageEvents.ERROR).length, 1);
  stage.leave();
});

test("the strategy is asked about newcomers, and a refresh that changes nothing sends nothing", async () => {
  let asked = 0;
  const strategy = {
    ...everybody,
    shouldSubscribeToParticipant: () => {
      asked += 1;
      return SubscribeType.AUDIO_VIDEO;
    },
  };
  const { stage } = await join(strategy, [bob]);
  mock.timers.tick(10);
  assert.equal(asked, 1);
  assert.deepEqual(told("RECEIVE_CONFIGURE"), [
    { receive: [{ remoteParticipantId: "bob", media: "AUDIO_VIDEO", priority: 5 }] },
  ]);
  latest().say(stageState(bob));
  assert.equal(asked, 1);
  const sent = latest().sent.length;
  for (let times = 0; times < 10; times++) stage.refreshStrategy();
  mock.timers.tick(100);
  assert.equal(latest().sent.length, sent);
  stage.replaceStrategy({ ...nobody, shouldSubscribeToParticipant: () => SubscribeType.AUDIO_ONLY });
  mock.timers.tick(10);
  assert.equal(told("RECEIVE_CONFIGURE").at(-1).receive[0].media, "AUDIO_ONLY");
  stage.leave();
});

test("a server without the one connection is asked once, and then each participant has one by WHEP", async () => {
  const token = tokenOf();
  server.expect("POST", "http://sfu.test/whip/subscribe/bob", { status: 201, location: "/c1" });
  server.expect("DELETE", "http://sfu.test/c1", { status: 200 });
  const first = await join(everybody, [bob], token);
  mock.timers.tick(10);
  latest().say({
    type: "ERROR",
    payload: { code: "UNKNOWN_TYPE", message: 'type "RECEIVE_CONFIGURE" is unknown: send PING' },
  });
  await answered(0);
  first.stage.leave();
  await settled(() => server.seen.length === 2);

  server.expect("POST", "http://sfu.test/whip/subscribe/bob", { status: 201, location: "/c2" });
  server.expect("DELETE", "http://sfu.test/c2", { status: 200 });
  const second = await join(everybody, [bob], token);
  await answered(1);
  assert.deepEqual(told("RECEIVE_CONFIGURE"), []);
  second.stage.leave();
  await settled(() => server.seen.length === 4);
});

test("publishing is told from the attempt to the end, with the own streams", async () => {
  server.expect("POST", "http://sfu.test/whip", { status: 201, location: "/w1" });
  server.expect("DELETE", "http://sfu.test/w1", { status: 200 });
  const strategy = publishing(
    new LocalStageStream(fakeTrack("audio")),
    new LocalStageStream(fakeTrack("video")),
  );
  const { stage, happened } = await join(strategy);
  happened.length = 0;
  const connection = await answered(0);
  connection.become("connected");
  stage.replaceStrategy(nobody);
  const { PUBLISHED, NOT_PUBLISHED } = StageParticipantPublishState;
  assert.deepEqual(
    happened.map(([name, , value]) => [
      name,
      Array.isArray(value) ? value.map(one => (one as LocalStageStream).streamType) : value,
    ]),
    [
      [StageEvents.STAGE_PARTICIPANT_PUBLISH_STATE_CHANGED, PUBLISHED],
      [StageEvents.STAGE_PARTICIPANT_STREAMS_ADDED, ["audio", "video"]],
      [StageEvents.STAGE_PARTICIPANT_STREAMS_REMOVED, ["audio", "video"]],
      [StageEvents.STAGE_PARTICIPANT_PUBLISH_STATE_CHANGED, NOT_PUBLISHED],
    ],
  );
  await settled(() => server.seen.length === 2);
  stage.leave();
});

test("new objects around the same tracks are the same streams, and their mute is the track's", async () => {
  server.expect("POST", "http://sfu.test/whip", { status: 201, location: "/w1" });
  server.expect("DELETE", "http://sfu.test/w1", { status: 200 });
  const track = fakeTrack("audio");
  const strategy = { ...publishing(), stageStreamsToPublish: () => [new LocalStageStream(track)] };
  const { stage, happened } = await join(strategy);
  (await answered(0)).become("connected");
  happened.length = 0;
  stage.refreshStrategy();
  assert.equal(happened.length, 0);
  const former = new LocalStageStream(track);
  former.setMuted(true);
  former.setMuted(true);
  assert.equal(track.enabled, false);
  assert.deepEqual(
    happened.map(([name]) => name),
    [StageEvents.STAGE_STREAM_MUTE_CHANGED],
  );
  assert.deepEqual(told("PUBLISH_CONFIGURE").at(-1), { audioMuted: true });
  stage.leave();
  await settled(() => server.seen.length === 2);
  assert.equal(track.enabled, false, "a mute outlives the stage");
  assert.equal(new LocalStageStream(track).isMuted, true);
});

test("another track takes the place of the former one without another connection", async () => {
  server.expect("POST", "http://sfu.test/whip", { status: 201, location: "/w1" });
  server.expect("DELETE", "http://sfu.test/w1", { status: 200 });
  const { stage, names, happened } = await join(publishing(new LocalStageStream(fakeTrack("video", "v1"))));
  const connection = await answered(0);
  connection.become("connected");
  happened.length = 0;
  stage.replaceStrategy(publishing(new LocalStageStream(fakeTrack("video", "v2"))));
  assert.deepEqual(names(), [
    StageEvents.STAGE_PARTICIPANT_STREAMS_REMOVED,
    StageEvents.STAGE_PARTICIPANT_STREAMS_ADDED,
  ]);
  await settled(() => connection.senders[0].track.id === "v2");
  stage.leave();
  await settled(() => server.seen.length === 2);
});

test("a refused publication is told with the service's code, and tried again when the application asks", async () => {
  const body = JSON.stringify({ code: "STAGE_AT_CAPACITY", message: "full" });
  server.expect("POST", "http://sfu.test/whip", { status: 403, body });
  const { stage, happened } = await join(publishing(new LocalStageStream(fakeTrack("audio"))));
  await settled(() => happened.some(([name]) => name === StageEvents.ERROR));
  const error = happened.find(([name]) => name === StageEvents.ERROR)?.[1] as StageError;
  assert.deepEqual([error.code, error.category], [StageErrorCode.STAGE_AT_CAPACITY, "PUBLISH_ERROR"]);
  assert.equal(happened.at(-1)?.[2], StageParticipantPublishState.ERRORED);
  server.expect("POST", "http://sfu.test/whip", { status: 201, location: "/w1" });
  server.expect("DELETE", "http://sfu.test/w1", { status: 200 });
  stage.refreshStrategy();
  await answered(1);
  stage.leave();
  await settled(() => server.seen.length === 3);
});

test("a token is exchanged on the socket; what it loses ends, and what it gains is asked about", async () => {
  server.expect("POST", "http://sfu.test/whip", { status: 201, location: "/w1" });
  server.expect("DELETE", "http://sfu.test/w1", { status: 200 });
  const token = tokenOf({ capabilities: { allow_subscribe: true } });
  const payload = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  let asked = 0;
  const strategy = {
    ...publishing(new LocalStageStream(fakeTrack("audio"))),
    shouldPublishParticipant: () => {
      asked += 1;
      return true;
    },
  };
  const { stage, happened } = await join(strategy, [], token);
  assert.equal(asked, 0);
  const more = tokenWith({ ...payload, attributes: { role: "host" }, capabilities: { allow_publish: true } });
  const exchanged = stage.exchangeToken(more);
  await settled(() => told("TOKEN_EXCHANGE").length === 1);
  assert.deepEqual(told("TOKEN_EXCHANGE"), [{ token: more }]);
  latest().say({ type: "TOKEN_EXCHANGED", payload: {} });
  await exchanged;
  assert.equal(asked, 1);
  assert.ok(happened.some(([name]) => name === StageEvents.STAGE_PARTICIPANT_METADATA_CHANGED));
  await answered(0);
  assert.equal(server.seen[0].headers.Authorization, `Bearer ${more}`);

  const less = stage.exchangeToken(token);
  await settled(() => told("TOKEN_EXCHANGE").length === 2);
  latest().say({ type: "TOKEN_EXCHANGED", payload: {} });
  await less;
  assert.equal(asked, 1);
  await settled(() => server.seen.length === 2);
  stage.leave();
});

test("a token of somebody else is refused before the server is asked, and a refusal keeps the former one", async () => {
  const token = tokenOf();
  const payload = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  const { stage } = await join(nobody, [], token);
  for (const change of [{ jti: "you" }, { topic: "s2" }, { whip_url: "http://other.test/whip" }]) {
    await assert.rejects(stage.exchangeToken(tokenWith({ ...payload, ...change })), { name: "StageError" });
  }
  assert.deepEqual(told("TOKEN_EXCHANGE"), []);
  const refused = stage.exchangeToken(tokenWith({ ...payload, user_id: "x" }));
  await settled(() => told("TOKEN_EXCHANGE").length === 1);
  latest().say({ type: "TOKEN_EXCHANGE_ERROR", payload: { code: "TOKEN_EXPIRED", message: "too late" } });
  await assert.rejects(refused, { code: StageErrorCode.TOKEN_EXPIRED, message: "too late" });
  latest().end(1006);
  mock.timers.tick(500);
  assert.equal(latest().protocols[0], token);
  stage.leave();
});

test("replicas, mutes and changed attributes of others are told in the one object of a participant", async () => {
  const replica = { ...bob, isReplica: true, sourceStageId: "s7" };
  const stage = new Stage(tokenOf(), nobody);
  const seen: unknown[] = [];
  let infoOfBob:
    | { isReplica: boolean; sourceStageArn?: string; audioMuted: boolean; attributes: object }
    | undefined;
  stage.on(StageEvents.STAGE_PARTICIPANT_JOINED, info => {
    if (!info.isLocal) infoOfBob = info;
  });
  stage.on(StageEvents.STAGE_PARTICIPANT_METADATA_CHANGED, info => seen.push(info));
  const joined = stage.join();
  latest().say(stageState(replica));
  await joined;
  assert.deepEqual([infoOfBob?.isReplica, infoOfBob?.sourceStageArn], [true, "arn:aws:ivs:r:1:stage/s7"]);
  latest().say(stageState({ ...replica, audioMuted: true, attributes: { role: "host" } }));
  assert.equal(seen[0], infoOfBob);
  assert.deepEqual([infoOfBob?.audioMuted, infoOfBob?.attributes], [true, { role: "host" }]);
  stage.leave();
});

test("a listener may leave, and a strategy may fail, without harm", async () => {
  const uncaught: unknown[] = [];
  const onUncaught = (error: unknown) => uncaught.push(error);
  const kept = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", onUncaught);
  const stage = new Stage(tokenOf(), {
    ...nobody,
    shouldSubscribeToParticipant: () => {
      throw new Error("of the application");
    },
  });
  const happened: string[] = [];
  stage.on(StageEvents.STAGE_CONNECTION_STATE_CHANGED, state => {
    happened.push(state);
    if (state === StageConnectionState.CONNECTED) stage.leave();
  });
  const joined = stage.join();
  latest().say(stageState(bob));
  await assert.rejects(joined, { code: StageErrorCode.CANCELED });
  assert.deepEqual(happened, ["connecting", "connected", "disconnected"]);

  const again = stage.join();
  stage.removeAllListeners();
  latest().say(stageState(bob));
  await again;
  await settled(() => uncaught.length > 0);
  assert.match(`${uncaught[0]}`, /of the application/);
  stage.leave();
  process.removeListener("uncaughtException", onUncaught);
  for (const listener of kept) process.on("uncaughtException", listener);
});

test("methods work without the stage in front of them, and events of the application's own are allowed", async () => {
  const { stage } = await join(nobody);
  const heard: unknown[] = [];
  const { on, once, off, emit, leave, refreshStrategy } = stage;
  void [on, once, off, emit];
  stage.on("an event of ours", (value: number) => heard.push(value));
  stage.once("an event of ours", (value: number) => heard.push(-value));
  stage.emit("an event of ours", 1);
  stage.emit("an event of ours", 2);
  assert.deepEqual(heard, [1, -1, 2]);
  assert.equal(stage.hasListenersFor("an event of ours"), true);
  refreshStrategy();
  leave();
  assert.equal(latest().isClosed, true);
});
