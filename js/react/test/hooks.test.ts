/** The hooks, rendered by React, with a stage that a test plays. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import {
  type Stage,
  StageConnectionState,
  StageEvents,
  type StageParticipantInfo,
  StageParticipantSubscribeState,
  type StageStrategy,
  type StageStream,
  StreamType,
  SubscribeType,
} from "@restage/client";
import { Window } from "happy-dom";
import { createElement, StrictMode } from "react";
import { createRoot, type Root } from "react-dom/client";

import { type JoinedStage, type Participant, useAttach, useParticipants, useStage } from "../src/index.js";

/** A socket that never answers; what the stage would do with it is not React's matter. */
class FakeSocket extends EventTarget {
  static made: FakeSocket[] = [];
  isClosed = false;
  constructor() {
    super();
    FakeSocket.made.push(this);
  }
  send() {}
  close() {
    this.isClosed = true;
  }
}

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const tokenOf = (jti: string) =>
  `e30.${part({ jti, topic: "s", resource: "arn:s", whip_url: "http://x/whip", events_url: "ws://x", exp: 4e9 })}.e30`;

const strategy = (type = SubscribeType.NONE): StageStrategy => ({
  stageStreamsToPublish: () => [],
  shouldPublishParticipant: () => false,
  shouldSubscribeToParticipant: () => type,
});

const info = (id: string, change: Partial<StageParticipantInfo> = {}): StageParticipantInfo => ({
  ...{ id, userId: id, attributes: {}, userInfo: {}, isLocal: false, capabilities: new Set() },
  ...{ isPublishing: true, audioMuted: false, videoStopped: false, isReplica: false },
  ...change,
});

let root: Root;
let page: Window;

beforeEach(() => {
  page = new Window();
  FakeSocket.made = [];
  Object.assign(globalThis, {
    ...{ window: page, document: page.document, WebSocket: FakeSocket },
    IS_REACT_ACT_ENVIRONMENT: false,
  });
  root = createRoot(page.document.body.appendChild(page.document.createElement("div")) as unknown as Element);
});

afterEach(async () => {
  root.unmount();
  await page.happyDOM.close();
});

/** Waits for React, a turn of the event loop at a time. */
async function until(isDone: () => boolean) {
  const endsAt = performance.now() + 5000;
  while (!isDone()) {
    assert.ok(performance.now() < endsAt, `never became true: ${isDone}`);
    await new Promise(resolve => setImmediate(resolve));
  }
}

/** What a component that uses the hook has seen last. */
function useProbe() {
  const seen: { joined?: JoinedStage; participants?: readonly Participant[]; renders: number } = {
    renders: 0,
  };
  const Probe = (props: { token?: string; strategy: StageStrategy }) => {
    seen.joined = useStage(props.token, props.strategy);
    seen.participants = useParticipants(seen.joined.stage);
    seen.renders += 1;
    return null;
  };
  return { seen, Probe };
}

test("a stage is joined with a token, exchanged with another one, and left with the component", async () => {
  const { seen, Probe } = useProbe();
  root.render(createElement(Probe, { strategy: strategy() }));
  await until(() => seen.renders > 0);
  assert.equal(seen.joined?.stage, undefined);
  root.render(createElement(Probe, { token: tokenOf("a"), strategy: strategy() }));
  await until(() => seen.joined?.connectionState === StageConnectionState.CONNECTING);
  assert.equal(FakeSocket.made.length, 1);
  const first = seen.joined?.stage;
  root.render(createElement(Probe, { token: tokenOf("b"), strategy: strategy() }));
  await until(() => seen.joined?.stage !== undefined && seen.joined.stage !== first);
  assert.deepEqual(
    FakeSocket.made.map(({ isClosed }) => isClosed),
    [true, false],
  );
  root.render(null);
  await until(() => FakeSocket.made[1].isClosed);
});

test("in strict mode one stage is left at the end, and the others are closed", async () => {
  const { seen, Probe } = useProbe();
  root.render(
    createElement(StrictMode, null, createElement(Probe, { token: tokenOf("a"), strategy: strategy() })),
  );
  await until(() => seen.joined?.stage !== undefined && FakeSocket.made.length === 2);
  await until(() => FakeSocket.made[0].isClosed);
  assert.equal(FakeSocket.made[1].isClosed, false);
});

test("another strategy has the stage refreshed, without another stage", async () => {
  const { seen, Probe } = useProbe();
  const token = tokenOf("a");
  root.render(createElement(Probe, { token, strategy: strategy() }));
  await until(() => seen.joined?.stage !== undefined);
  const stage = seen.joined?.stage as Stage;
  let refreshed = 0;
  stage.refreshStrategy = () => {
    refreshed += 1;
  };
  root.render(createElement(Probe, { token, strategy: strategy(SubscribeType.AUDIO_ONLY) }));
  await until(() => refreshed === 1);
  assert.equal(seen.joined?.stage, stage);
});

test("participants are as they were told last, the local one first, in new objects when they change", async () => {
  const { seen, Probe } = useProbe();
  root.render(createElement(Probe, { token: tokenOf("a"), strategy: strategy() }));
  await until(() => seen.joined?.stage !== undefined);
  const stage = seen.joined?.stage as Stage;
  const bob = info("bob");
  stage.emit(StageEvents.STAGE_PARTICIPANT_JOINED, bob);
  stage.emit(StageEvents.STAGE_PARTICIPANT_JOINED, info("me", { isLocal: true }));
  await until(() => seen.participants?.length === 2);
  assert.deepEqual(
    seen.participants?.map(({ id }) => id),
    ["me", "bob"],
  );
  const before = seen.participants?.[1];
  const stream = { id: "t", streamType: StreamType.AUDIO } as StageStream;
  stage.emit(
    StageEvents.STAGE_PARTICIPANT_SUBSCRIBE_STATE_CHANGED,
    bob,
    StageParticipantSubscribeState.SUBSCRIBED,
  );
  stage.emit(StageEvents.STAGE_PARTICIPANT_STREAMS_ADDED, bob, [stream]);
  bob.audioMuted = true;
  stage.emit(StageEvents.STAGE_STREAM_MUTE_CHANGED, bob, stream);
  await until(() => seen.participants?.[1].audioMuted === true);
  const present = seen.participants?.[1];
  assert.deepEqual(present?.streams, [stream]);
  assert.equal(present?.subscribeState, StageParticipantSubscribeState.SUBSCRIBED);
  assert.equal(before?.audioMuted, false);
  stage.emit(StageEvents.STAGE_PARTICIPANT_STREAMS_REMOVED, bob, [stream]);
  stage.emit(StageEvents.STAGE_PARTICIPANT_LEFT, bob);
  await until(() => seen.participants?.length === 1);
});

test("an element plays streams while it has them, and not again when the same ones come in another array", async () => {
  const log: string[] = [];
  const remote = (id: string) => {
    const attach = () => {
      log.push(`+${id}`);
      return () => log.push(`-${id}`);
    };
    return { id, attach } as unknown as StageStream;
  };
  const [one, other] = [remote("1"), remote("2")];
  let renders = 0;
  const Player = ({ streams }: { streams: StageStream[] }) => {
    renders += 1;
    return createElement("video", { ref: useAttach(streams) });
  };
  const show = async (...streams: StageStream[]) => {
    const before = renders;
    root.render(createElement(Player, { streams }));
    await until(() => renders > before);
  };
  await show(one);
  await until(() => log.length === 1);
  await show(one);
  await show(one, other);
  await until(() => log.length === 4);
  root.render(null);
  await until(() => log.length === 6);
  assert.deepEqual(log, ["+1", "-1", "+1", "+2", "-1", "-2"]);
});
