/** A stage whose token, browser, tracks or application fail: what it says, that it goes on, and that nothing stays behind. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import {
  LocalStageStream,
  RealTimeConnection,
  RealTimeConnectionState,
  Stage,
  type StageError,
  StageErrorCode,
  StageEvents,
  StageLeftReason,
  StageParticipantPublishState,
  StageParticipantSubscribeState,
} from "../src/index.js";
import { FakeConnection, FakeSocket, settled, tokenWith } from "./fakes.js";
import { answered, latest, server } from "./rig.js";
import {
  bob,
  everybody,
  fakeTrack,
  join,
  nobody,
  publishing,
  StageConnection,
  stageState,
  tokenOf,
  told,
  useStageFakes,
} from "./stage_rig.js";

useStageFakes();

const { ERROR, STAGE_CONNECTION_STATE_CHANGED, STAGE_LEFT } = StageEvents;
const START_EVERY_MS = 1000;
const RETRY_LAST_MS = 4000;

/** What nobody caught, of rejections and of exceptions, since the test began. */
const uncaught: unknown[] = [];
const note = (error: unknown) => uncaught.push(error);
const KINDS = ["uncaughtException", "unhandledRejection"] as const;
const kept = new Map<string, ((...args: unknown[]) => void)[]>();
const events = process as NodeJS.EventEmitter;

beforeEach(() => {
  uncaught.length = 0;
  for (const kind of KINDS) {
    kept.set(kind, events.listeners(kind) as ((...args: unknown[]) => void)[]);
    events.removeAllListeners(kind);
    events.on(kind, note);
  }
});
afterEach(async () => {
  await turns();
  for (const kind of KINDS) {
    events.removeListener(kind, note);
    for (const listener of kept.get(kind) ?? []) events.on(kind, listener);
  }
});

/** Lets what has happened take effect, and what nobody has caught be reported. */
async function turns() {
  for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve));
}

const payloadOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

test("what cannot be a participant token is refused as malformed, whatever it is", async () => {
  const good = tokenOf();
  const payload = payloadOf(good);
  const texts = [
    `${good}"`,
    `${good}é`,
    `${good} x`,
    good.replace(".", "\n."),
    "e30.bnVsbA.c2ln",
    "e30.NQ.c2ln",
  ];
  const urls = [
    ...["javascript:alert(1)", "ftp://sfu.test/events", "nothing", "ws://sfu.test/events#x", "ws:"].map(
      events_url => tokenWith({ ...payload, events_url }),
    ),
    ...["file:///whip", "ws://sfu.test/whip", "whip"].map(whip_url => tokenWith({ ...payload, whip_url })),
  ];
  const malformed = { name: "StageError", code: StageErrorCode.TOKEN_MALFORMED };
  for (const token of [...texts, ...urls, undefined, null, 5, {}]) {
    assert.throws(() => new Stage(token as string, nobody), malformed, `${token}`);
  }
  const stage = new Stage(`\n${good} `, nobody, null as unknown as undefined);
  for (const token of [`${good}"`, undefined, 5]) {
    await assert.rejects(stage.exchangeToken(token as string), malformed);
  }
  assert.equal(FakeSocket.made.length, 0);
});

const CONNECTION = {
  ...{ jti: "c1", account_id: "1", region: "r", events_url: "ws://sfu.test/events" },
  ...{ iat: Math.floor(Date.now() / 1000), exp: Math.floor(Date.now() / 1000) + 3600 },
};

test("what cannot be a connection token is refused as invalid, whatever it is", () => {
  const good = tokenWith(CONNECTION);
  const invalid = { name: "RealTimeConnectionError", code: 1053 };
  const urls = ["javascript:1", "ftp://sfu.test/events", "events", "ws://sfu.test/events#x"];
  for (const token of [
    ...[`${good}"`, `${good}é`, "", "e30.bnVsbA.c2ln", undefined, null, 5, {}],
    ...urls.map(events_url => tokenWith({ ...CONNECTION, events_url })),
  ]) {
    assert.throws(() => new RealTimeConnection(token as string), invalid, `${token}`);
  }
  assert.equal(new RealTimeConnection(` ${good}\n`).state, RealTimeConnectionState.DISCONNECTED);
});

/** The ways in which a runtime has no socket. */
const SOCKETLESS: [string, unknown][] = [
  [
    "refuses it",
    class {
      constructor() {
        throw new DOMException("mixed content", "SecurityError");
      }
    },
  ],
  ["has none", undefined],
];

for (const [how, socket] of SOCKETLESS) {
  test(`a join is rejected and told where the runtime's socket ${how}, and another one works`, async () => {
    Object.assign(globalThis, { WebSocket: socket });
    const stage = new Stage(tokenOf(), nobody);
    const errors: StageError[] = [];
    const happened: string[] = [];
    stage.on(ERROR, error => errors.push(error));
    stage.on(STAGE_CONNECTION_STATE_CHANGED, state => happened.push(state));
    stage.on(STAGE_LEFT, reason => happened.push(reason));
    const joins = [stage.join(), stage.join()];
    for (const joined of joins) {
      await assert.rejects(joined, { name: "StageError", code: 4, category: "JOIN_ERROR" });
    }
    assert.deepEqual(happened, ["connecting", "disconnected", StageLeftReason.UNKNOWN]);
    assert.equal(errors.length, 1);
    Object.assign(globalThis, { WebSocket: FakeSocket });
    const joined = stage.join();
    latest().say(stageState());
    await joined;
    stage.leave();
    await turns();
    assert.deepEqual(uncaught, []);
  });

  test(`a shared connection ends where the runtime's socket ${how}, and says why to whoever joins`, async () => {
    Object.assign(globalThis, { WebSocket: socket });
    const connection = new RealTimeConnection(tokenWith(CONNECTION));
    const states: unknown[][] = [];
    connection.on("stateChanged", (state, error) => states.push([state, error?.code]));
    connection.connect();
    await settled(() => connection.state === RealTimeConnectionState.DISCONNECTED);
    const stage = new Stage(tokenOf(), nobody, { connection });
    await assert.rejects(stage.join(), { name: "StageError", category: "JOIN_ERROR" });
    assert.deepEqual(states, [
      ["connecting", undefined],
      ["disconnected", 1306],
      ["connecting", undefined],
      ["disconnected", 1306],
    ]);
    Object.assign(globalThis, { WebSocket: FakeSocket });
    const joined = stage.join();
    FakeSocket.made.find(one => one.url.endsWith("/s1"))?.say(stageState());
    await joined;
    connection.disconnect();
    await turns();
    assert.deepEqual(uncaught, []);
  });
}

test("a socket that the runtime refuses later leaves the stage with the error", async () => {
  const { happened } = await join(nobody);
  latest().end(1006);
  Object.assign(globalThis, { WebSocket: SOCKETLESS[0][1] });
  mock.timers.tick(1000);
  await turns();
  assert.deepEqual(happened.at(-1), [STAGE_LEFT, StageLeftReason.UNKNOWN]);
  const [, error] = happened.find(([name]) => name === ERROR) ?? [];
  assert.match(`${error}`, /mixed content/);
  assert.deepEqual(uncaught, []);
});

test("a join with a revoked connection token is rejected with that reason, and told", async () => {
  const connection = new RealTimeConnection(tokenWith(CONNECTION));
  const stage = new Stage(tokenOf(), nobody, { connection });
  const errors: StageError[] = [];
  const left: StageLeftReason[] = [];
  stage.on(ERROR, error => errors.push(error));
  stage.on(STAGE_LEFT, reason => left.push(reason));
  let again: Promise<void> | undefined;
  stage.once(STAGE_LEFT, () => {
    again = stage.join();
  });
  const joined = stage.join();
  const [shared] = FakeSocket.made;
  shared.end(4403, "TOKEN_REVOKED");
  const revoked = { name: "StageError", code: StageErrorCode.TOKEN_NOT_ALLOWED, reason: "TOKEN_REVOKED" };
  await assert.rejects(joined, revoked);
  assert.deepEqual(left, [StageLeftReason.REAL_TIME_CONNECTION_TOKEN_REVOCATION]);
  assert.deepEqual(
    errors.map(({ reason }) => reason),
    ["TOKEN_REVOKED"],
  );
  // Whoever joins again at once uses the connection anew, and is told anew.
  assert.equal(connection.state, RealTimeConnectionState.CONNECTING);
  FakeSocket.made.filter(({ url }) => url.endsWith("/connection"))[1].end(4403, "TOKEN_REVOKED");
  await assert.rejects(again ?? Promise.resolve(), revoked);
  // Whoever is in is told by STAGE_LEFT alone, and whoever disconnects has canceled.
  const canceled = stage.join();
  connection.disconnect();
  await assert.rejects(canceled, { code: StageErrorCode.CANCELED });
  assert.equal(errors.length, 2);
});

test("a callback of the strategy that throws is reported, and throws into nobody, whichever it is", async () => {
  const boom = (name: string) => () => {
    throw new Error(name);
  };
  const names = [
    "shouldPublishParticipant",
    "stageStreamsToPublish",
    "subscribeConfiguration",
    "preferredLayerForStream",
    // The last one, because nobody is received any more after it.
    "shouldSubscribeToParticipant",
  ];
  const { stage } = await join(everybody, [bob]);
  mock.timers.tick(10);
  const { FakePeer } = await import("./fake_peer.js");
  FakePeer.made = [];
  Object.assign(globalThis, { RTCPeerConnection: FakePeer });
  latest().say({
    type: "RECEIVE_OFFER",
    payload: {
      ...{ connectionId: "c1", revision: 1, sdp: "0:audio 1:video" },
      streams: [{ remoteParticipantId: "bob", audioMid: "0", videoMid: "1" }],
    },
  });
  await settled(() => told("RECEIVE_ANSWER").length === 1);
  const { receiver } = FakePeer.made[0].transceivers[1];
  let hasPictures = false;
  stage.on(StageEvents.STAGE_PARTICIPANT_STREAMS_ADDED, (_, streams) => {
    hasPictures ||= streams.some(one => one.streamType === "video");
  });
  receiver.track.dispatchEvent(new Event("unmute"));
  assert.ok(hasPictures);
  for (const name of names) {
    uncaught.length = 0;
    const streams = { shouldPublishParticipant: () => true, subscribeConfiguration: () => ({ priority: 5 }) };
    stage.replaceStrategy({ ...everybody, ...streams, [name]: boom(name) });
    stage.refreshStrategy();
    latest().say({
      type: "STAGE_STREAM_LAYERS_CHANGED",
      payload: { remoteParticipantId: "bob", layers: [] },
    });
    await settled(() => uncaught.length > 0);
    assert.ok(
      uncaught.every(error => (error as Error).message === name),
      `${uncaught}`,
    );
  }
  stage.leave();
});

test("what a strategy answers that is no answer counts as none, and throws into nobody", async () => {
  for (const priority of [Number.NaN, "x", 2n, null, Symbol("2")]) {
    const { stage } = await join(everybody, [bob]);
    stage.replaceStrategy({
      ...everybody,
      shouldPublishParticipant: () => true,
      stageStreamsToPublish: () =>
        [null, 5, "audio", { streamType: "audio" }] as unknown as LocalStageStream[],
      subscribeConfiguration: () => ({ priority: priority as number }),
    });
    mock.timers.tick(10);
    assert.equal(told("RECEIVE_CONFIGURE")[0].receive[0].priority, 5);
    stage.leave();
  }
  await turns();
  assert.deepEqual(uncaught, []);
  assert.equal(FakeConnection.made.length, 0);
});

test("a stream is made of a track and of nothing else", () => {
  for (const track of [{}, undefined, null, 5, "audio", { kind: "data", id: "d" }]) {
    assert.throws(() => new LocalStageStream(track as MediaStreamTrack), {
      name: "TypeError",
      message: /MediaStreamTrack/,
    });
  }
});

/** A track that can end. */
const endingTrack = (kind: string, id = kind) => {
  const track = Object.assign(new EventTarget(), fakeTrack(kind, id), { readyState: "live" });
  const end = () => {
    track.readyState = "ended";
    track.dispatchEvent(new Event("ended"));
  };
  return { track: track as unknown as MediaStreamTrack, end };
};

test("tracks that have ended are nothing to publish, which is told once", async () => {
  const gone = endingTrack("video");
  gone.end();
  const { stage, happened } = await join(publishing(new LocalStageStream(gone.track)));
  stage.refreshStrategy();
  await turns();
  assert.equal(FakeConnection.made.length, 0);
  const errors = happened.filter(([name]) => name === ERROR).map(([, error]) => error as StageError);
  assert.deepEqual(
    errors.map(({ category, reason }) => [category, reason]),
    [["PUBLISH_ERROR", "NO_TRACKS"]],
  );
  // Another one is published as ever, until it ends: then the strategy is asked.
  server.expect("POST", "http://sfu.test/whip", { status: 201, location: "/w1" });
  server.expect("DELETE", "http://sfu.test/w1", { status: 200 });
  const [sound, pictures] = [endingTrack("audio"), endingTrack("video", "v2")];
  const streams = [sound, pictures].map(({ track }) => new LocalStageStream(track));
  stage.replaceStrategy(publishing(...streams));
  (await answered(0)).become("connected");
  const states = () =>
    happened
      .filter(([name]) => name === StageEvents.STAGE_PARTICIPANT_PUBLISH_STATE_CHANGED)
      .map(([, , state]) => state);
  pictures.end();
  assert.equal(states().at(-1), StageParticipantPublishState.PUBLISHED);
  sound.end();
  assert.equal(states().at(-1), StageParticipantPublishState.NOT_PUBLISHED);
  assert.equal(happened.filter(([name]) => name === ERROR).length, 2);
  await settled(() => server.seen.length === 2);
  stage.leave();
});

/** A browser that makes no connection this often. */
function scarce(times: number) {
  let left = times;
  Object.assign(globalThis, {
    RTCPeerConnection: class extends StageConnection {
      constructor() {
        left -= 1;
        if (left >= 0) throw new DOMException("Cannot create so many PeerConnections", "UnknownError");
        super();
      }
    },
  });
}

test("a connection that the browser does not make is tried again, and then published over", async () => {
  scarce(2);
  server.expect("POST", "http://sfu.test/whip", { status: 201, location: "/w1" });
  server.expect("DELETE", "http://sfu.test/w1", { status: 200 });
  const { stage, happened } = await join(publishing(new LocalStageStream(fakeTrack("audio"))));
  for (let times = 0; times < 2; times++) {
    await turns();
    mock.timers.tick(RETRY_LAST_MS);
  }
  (await answered(0)).become("connected");
  assert.equal(happened.filter(([name]) => name === ERROR).length, 0);
  assert.equal(stage.hasListenersFor(ERROR), true);
  stage.leave();
  await settled(() => server.seen.length === 2);
  assert.deepEqual(uncaught, []);
});

test("a connection that the browser never makes is told after half a minute, and not tried after the stage was left", async () => {
  scarce(Number.POSITIVE_INFINITY);
  const { stage, happened } = await join(publishing(new LocalStageStream(fakeTrack("audio"))));
  for (let s = 0; s < 31; s++) {
    await turns();
    mock.timers.tick(1000);
  }
  const [, error] = happened.find(([name]) => name === ERROR) as [string, StageError];
  assert.deepEqual([error.category, error.reason], ["PUBLISH_ERROR", "NO_PEER_CONNECTION"]);
  stage.leave();
  await turns();
  assert.deepEqual(uncaught, []);
});

test("a strategy whose answers alternate makes a bounded number of connections, and all but the last are closed", async () => {
  const streams = [new LocalStageStream(fakeTrack("audio")), new LocalStageStream(fakeTrack("video"))];
  const [both, sound] = [publishing(...streams), publishing(streams[0])];
  const { stage, happened } = await join(nobody);
  for (let times = 0; times < 400; times++) stage.replaceStrategy([both, nobody, sound][times % 3]);
  for (let times = 0; times < 100; times++) stage.replaceStrategy([both, sound][times % 2]);
  assert.equal(FakeConnection.made.length, 3);
  server.expect("POST", "http://sfu.test/whip", { status: 201, location: "/w1" });
  server.expect("DELETE", "http://sfu.test/w1", { status: 200 });
  stage.replaceStrategy(nobody);
  stage.replaceStrategy(both);
  // Other tracks are taken while it waits.
  stage.replaceStrategy(publishing(new LocalStageStream(fakeTrack("audio", "a2")), streams[1]));
  mock.timers.tick(3 * START_EVERY_MS);
  (await answered(3)).become("connected");
  assert.deepEqual(
    FakeConnection.made.map(({ connectionState }) => connectionState),
    ["closed", "closed", "closed", "connected"],
  );
  assert.deepEqual(
    FakeConnection.made[3].senders.map(({ track }) => track.id),
    ["a2", "video"],
  );
  assert.equal(
    happened.filter(([name]) => name === StageEvents.STAGE_PARTICIPANT_PUBLISH_STATE_CHANGED).at(-1)?.[2],
    StageParticipantPublishState.PUBLISHED,
  );
  stage.leave();
  await settled(() => server.seen.length === 2);
  assert.deepEqual(uncaught, []);
});

test("a publication that waits for its turn does not begin after the stage was left", async () => {
  const strategy = publishing(new LocalStageStream(fakeTrack("audio")));
  const { stage } = await join(nobody);
  for (let times = 0; times < 20; times++) stage.replaceStrategy([nobody, strategy][times % 2]);
  stage.leave();
  mock.timers.tick(10 * START_EVERY_MS);
  await turns();
  assert.equal(FakeConnection.made.length, 3);
});

test("those for whom there was no room are received as soon as there is, without being asked for", async () => {
  const people = Array.from({ length: 50 }, (_, index) => ({ ...bob, id: `p${index}` }));
  const { stage, happened } = await join(everybody, people);
  mock.timers.tick(10);
  const stateOf = (id: string) =>
    happened
      .filter(([name, one]) => name === StageEvents.STAGE_PARTICIPANT_SUBSCRIBE_STATE_CHANGED && one === id)
      .at(-1)?.[2];
  const { ATTEMPTING_SUBSCRIBE, ERRORED } = StageParticipantSubscribeState;
  assert.deepEqual(["p47", "p48", "p49"].map(stateOf), [ATTEMPTING_SUBSCRIBE, ERRORED, ERRORED]);
  const errors = () => happened.filter(([name]) => name === ERROR).length;
  assert.equal(errors(), 2);
  latest().say(stageState(...people.slice(1)));
  mock.timers.tick(10);
  const receive = told("RECEIVE_CONFIGURE").at(-1).receive as { remoteParticipantId: string }[];
  assert.deepEqual(receive.at(-1)?.remoteParticipantId, "p48");
  assert.deepEqual(["p48", "p49"].map(stateOf), [ATTEMPTING_SUBSCRIBE, ERRORED]);
  assert.equal(errors(), 2);
  stage.leave();
});
