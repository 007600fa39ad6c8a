/**
 * The strategy engine against a model of a server that is as late and as forgetful as a real one. Seeds decide what happens in which order.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import fc from "fast-check";

import { reduce } from "../src/engine/reduce.js";
import {
  type Action,
  type EngineState,
  INITIAL,
  type Input,
  type Listed,
  type Media,
  type StreamWish,
  type SubscribeWish,
  type Wish,
} from "../src/engine/state.js";

const OWN = "me";
const IDS = ["a", "b", "c"];
const RUNS = 400;

/** What the transports do, and what the application was told: what a page with a stage looks like from outside. */
class World {
  state: EngineState = INITIAL;
  /** Participants that are received, and how. */
  readonly received = new Map<string, SubscribeWish>();
  /** What is published. */
  published: { attempt: number; streams: readonly StreamWish[] } | undefined;
  isConnected = false;
  /** Streams of which the application was told and not yet that they are gone. */
  readonly shown = new Map<string, Set<string>>();
  readonly ownShown = new Set<string>();
  readonly there = new Set<string>();
  readonly told: string[] = [];

  give(input: Input): Action[] {
    const isOver = input.is === "publishing" && input.progress === "errored" && input.isFinal;
    // Whoever publishes stops by itself before it says that it has failed for good.
    if (isOver && input.attempt === this.published?.attempt) this.published = undefined;
    const before = this.state;
    const { state, actions } = reduce(before, input);
    this.state = state;
    for (const action of actions) this.#do(action);
    return actions;
  }

  #do(action: Action) {
    switch (action.do) {
      case "connect":
        assert.ok(!this.isConnected, "connected twice");
        this.isConnected = true;
        break;
      case "disconnect":
        assert.ok(this.isConnected, "disconnected twice");
        this.isConnected = false;
        break;
      case "publish":
        this.published = { attempt: action.attempt, streams: action.streams };
        break;
      case "replaceStreams":
        assert.equal(this.published?.attempt, action.attempt);
        this.published = { attempt: action.attempt, streams: action.streams };
        break;
      case "unpublish":
        assert.ok(this.published, "unpublished what was not published");
        this.published = undefined;
        break;
      case "subscribe":
        assert.ok(!this.received.has(action.id), `subscribed to ${action.id} twice`);
        this.received.set(action.id, action.wish);
        break;
      case "change":
        assert.ok(this.received.has(action.id), "changed what was not there");
        this.received.set(action.id, action.wish);
        break;
      case "unsubscribe":
        assert.ok(this.received.delete(action.id), `unsubscribed from ${action.id} twice`);
        break;
      case "tell":
        this.#hear(action);
    }
  }

  #hear(action: Extract<Action, { do: "tell" }>) {
    this.told.push(action.what);
    switch (action.what) {
      case "joined":
        assert.ok(!this.there.has(action.info.id), "joined twice");
        this.there.add(action.info.id);
        break;
      case "gone":
        assert.ok(this.there.delete(action.info.id), "gone twice");
        assert.equal(this.shown.get(action.info.id)?.size ?? 0, 0, "gone before its streams");
        break;
      case "streamsAdded": {
        assert.ok(this.there.has(action.id), "streams of nobody");
        const shown = this.shown.get(action.id) ?? new Set();
        this.shown.set(action.id, shown);
        for (const kind of action.kinds) {
          assert.ok(!shown.has(kind), "a stream was added twice");
          shown.add(kind);
        }
        break;
      }
      case "streamsRemoved":
        for (const kind of action.kinds) {
          assert.ok(this.shown.get(action.id)?.delete(kind), "a stream was removed twice");
        }
        break;
      case "localStreamsAdded":
        for (const { trackId } of action.streams) {
          assert.ok(!this.ownShown.has(trackId), "an own stream was added twice");
          this.ownShown.add(trackId);
        }
        break;
      case "localStreamsRemoved":
        for (const { trackId } of action.streams) {
          assert.ok(this.ownShown.delete(trackId), "an own stream was removed twice");
        }
        break;
    }
  }

  /** The transports succeed with everything, and the server has nothing new. */
  calm() {
    for (let turn = 0; turn < 3; turn++) {
      if (this.state.phase === "joining" || this.state.phase === "lost") this.give({ is: "connected" });
      if (this.published) {
        this.give({ is: "publishing", attempt: this.published.attempt, progress: "done" });
      }
      for (const [id, { media }] of [...this.received]) {
        this.give({ is: "tracks", id, kinds: media === "AUDIO_VIDEO" ? ["audio", "video"] : ["audio"] });
      }
    }
  }
}

const media = fc.constantFrom<Media>("NONE", "AUDIO_ONLY", "AUDIO_VIDEO");
const subscribeWish: fc.Arbitrary<SubscribeWish> = fc.record({
  media,
  priority: fc.integer({ min: 0, max: 10 }),
  isHighestFirst: fc.boolean(),
  readsMessages: fc.boolean(),
});
const streams: fc.Arbitrary<StreamWish[]> = fc
  .tuple(fc.constantFrom("", "a1", "a2"), fc.constantFrom("", "v1", "v2"))
  .map(([audio, video]) => [
    ...(audio ? [{ kind: "audio" as const, trackId: audio }] : []),
    ...(video ? [{ kind: "video" as const, trackId: video }] : []),
  ]);
const wish: fc.Arbitrary<Wish> = fc.record({
  shouldPublish: fc.boolean(),
  streams,
  subscribe: fc
    .tuple(...IDS.map(() => subscribeWish))
    .map(wishes => new Map(IDS.map((id, index) => [id, wishes[index]]))),
});
const listed = (id: string): fc.Arbitrary<Listed> =>
  fc.record({
    id: fc.constant(id),
    userId: fc.constantFrom("u1", "u2"),
    attributes: fc.constantFrom<Record<string, string>>({}, { role: "host" }),
    isPublishing: fc.boolean(),
    audioMuted: fc.boolean(),
    videoStopped: fc.boolean(),
    isReplica: fc.boolean(),
  });
const stage: fc.Arbitrary<Listed[]> = fc
  .tuple(...[OWN, ...IDS].map(id => fc.option(listed(id), { nil: undefined })))
  .map(all => all.filter(one => one !== undefined));
const permissions = fc.record({ publish: fc.boolean(), subscribe: fc.boolean() });

/** Any input, also such as can come late or never. */
const input: fc.Arbitrary<Input> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ is: fc.constant("join" as const), own: fc.constant(OWN), may: permissions }),
  },
  { weight: 3, arbitrary: fc.constant<Input>({ is: "connected" }) },
  fc.constant<Input>({ is: "lost" }),
  fc.constant<Input>({ is: "overdue" }),
  fc.constant<Input>({ is: "leave", reason: "user" }),
  { weight: 4, arbitrary: stage.map((participants): Input => ({ is: "listed", participants })) },
  {
    weight: 4,
    arbitrary: fc.record({ is: fc.constant("wished" as const), wish, isAsked: fc.boolean() }),
  },
  fc.record({ is: fc.constant("allowed" as const), may: permissions }),
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant("publishing" as const),
      attempt: fc.integer({ min: 0, max: 6 }),
      progress: fc.constantFrom("attempting" as const, "done" as const, "errored" as const),
      isFinal: fc.boolean(),
      isReplaced: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant("subscribing" as const),
      id: fc.constantFrom(...IDS),
      progress: fc.constantFrom("attempting" as const, "errored" as const),
      isFinal: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant("tracks" as const),
      id: fc.constantFrom(...IDS),
      kinds: fc.subarray(["audio" as const, "video" as const]),
    }),
  },
);
const inputs = fc.array(input, { maxLength: 60 });

const may = { publish: true, subscribe: true };
const participant = (id: string): Listed => ({
  ...{ id, userId: id, attributes: {}, isPublishing: true },
  ...{ audioMuted: false, videoStopped: false, isReplica: false },
});
const wishing = (change: Partial<Wish> & { media?: Media } = {}): Wish => ({
  shouldPublish: false,
  streams: [
    { kind: "audio", trackId: "a1" },
    { kind: "video", trackId: "v1" },
  ],
  subscribe: new Map(
    IDS.map(id => [
      id,
      { media: change.media ?? "AUDIO_VIDEO", priority: 5, isHighestFirst: false, readsMessages: false },
    ]),
  ),
  ...change,
});

/** Joined, with these wishes and participants, all of it done. */
function joined(wished: Wish, ids: string[] = []): World {
  const world = new World();
  world.give({ is: "join", own: OWN, may });
  world.give({ is: "connected" });
  world.give({ is: "wished", wish: wished, isAsked: false });
  world.give({ is: "listed", participants: ids.map(participant) });
  world.calm();
  return world;
}

test("whatever happens, nothing is subscribed to, added or removed twice", () => {
  fc.assert(
    fc.property(inputs, all => {
      const world = new World();
      for (const one of all) world.give(one);
    }),
    { numRuns: RUNS },
  );
});

test("whatever happened, what is received and published becomes what is wished for", () => {
  fc.assert(
    fc.property(inputs, wish, stage, (all, last, participants) => {
      const world = new World();
      for (const one of all) world.give(one);
      world.give({ is: "join", own: OWN, may });
      world.give({ is: "connected" });
      world.give({ is: "allowed", may });
      world.give({ is: "listed", participants });
      // Whoever was replaced has to stop wanting the place before it is taken again.
      world.give({ is: "wished", wish: { ...last, shouldPublish: false }, isAsked: true });
      world.give({ is: "wished", wish: last, isAsked: true });
      world.calm();
      const wanted = participants
        .filter(({ id, isPublishing }) => id !== OWN && isPublishing)
        .flatMap(({ id }) => {
          const { media } = last.subscribe.get(id) ?? { media: "NONE" };
          return media === "NONE" ? [] : [[id, media]];
        });
      assert.deepEqual(
        [...world.received].map(([id, { media }]) => [id, media]).sort(),
        wanted.sort(),
        "what is received",
      );
      const isPublished = last.shouldPublish && last.streams.length > 0;
      assert.deepEqual(world.published?.streams ?? [], isPublished ? last.streams : []);
      for (const [id, media] of wanted) {
        const kinds = media === "AUDIO_VIDEO" ? ["audio", "video"] : ["audio"];
        assert.deepEqual([...(world.shown.get(id) ?? [])].sort(), kinds);
      }
      assert.deepEqual(
        [...world.ownShown].sort(),
        isPublished ? last.streams.map(one => one.trackId).sort() : [],
      );
    }),
    { numRuns: RUNS },
  );
});

test("asked again with the same answers, the engine orders and tells nothing", () => {
  fc.assert(
    fc.property(wish, stage, (wished, participants) => {
      const world = joined(wished);
      world.give({ is: "listed", participants });
      world.calm();
      assert.deepEqual(world.give({ is: "wished", wish: wished, isAsked: true }), []);
      assert.deepEqual(world.give({ is: "listed", participants }), []);
    }),
    { numRuns: RUNS },
  );
});

test("leaving undoes all, whenever it comes, and what comes late is ignored", () => {
  fc.assert(
    fc.property(inputs, inputs, (all, late) => {
      const world = new World();
      for (const one of all) world.give(one);
      world.give({ is: "leave", reason: "user" });
      assert.deepEqual([...world.received.keys()], []);
      assert.equal(world.published, undefined);
      assert.equal(world.isConnected, false);
      assert.deepEqual([...world.there], []);
      assert.equal(world.ownShown.size, 0);
      assert.ok([...world.shown.values()].every(kinds => kinds.size === 0));
      for (const one of late.filter(one => one.is !== "join")) assert.deepEqual(world.give(one), []);
    }),
    { numRuns: RUNS },
  );
});

test("a wish for sound alone removes the pictures at once, and no tracks bring them back", () => {
  const world = joined(wishing(), ["a"]);
  assert.deepEqual([...(world.shown.get("a") ?? [])], ["audio", "video"]);
  const actions = world.give({ is: "wished", wish: wishing({ media: "AUDIO_ONLY" }), isAsked: true });
  assert.deepEqual(
    actions.map(action => (action.do === "tell" ? action.what : action.do)),
    ["change", "streamsRemoved"],
  );
  world.give({ is: "tracks", id: "a", kinds: ["audio", "video"] });
  assert.deepEqual([...(world.shown.get("a") ?? [])], ["audio"]);
  world.give({ is: "wished", wish: wishing(), isAsked: true });
  world.calm();
  assert.deepEqual([...(world.shown.get("a") ?? [])].sort(), ["audio", "video"]);
});

test("whoever stops publishing is not received, and is again when it publishes anew", () => {
  const world = joined(wishing(), ["a", "b"]);
  world.give({ is: "listed", participants: [participant("a")] });
  assert.deepEqual([...world.received.keys()], ["a"]);
  world.give({
    is: "listed",
    participants: [participant("a"), { ...participant("b"), isPublishing: false }],
  });
  assert.deepEqual([...world.received.keys()], ["a"]);
  world.give({ is: "listed", participants: [participant("a"), participant("b")] });
  assert.deepEqual([...world.received.keys()], ["a", "b"]);
});

test("publishing goes through its states, and a report of an older attempt changes nothing", () => {
  const world = joined(wishing({ shouldPublish: true }));
  const first = world.published?.attempt ?? 0;
  world.give({ is: "wished", wish: wishing(), isAsked: true });
  world.give({ is: "wished", wish: wishing({ shouldPublish: true }), isAsked: true });
  assert.deepEqual(world.give({ is: "publishing", attempt: first, progress: "done" }), []);
  assert.deepEqual(
    world
      .give({ is: "publishing", attempt: first + 1, progress: "done" })
      .map(one => one.do === "tell" && one.what),
    ["publishState", "localStreamsAdded"],
  );
});

test("another track of the same kind goes over the same connection, another kind over another one", () => {
  const world = joined(wishing({ shouldPublish: true }));
  const before = world.published?.attempt ?? 0;
  const other = wishing({
    shouldPublish: true,
    streams: [
      { kind: "audio", trackId: "a1" },
      { kind: "video", trackId: "v2" },
    ],
  });
  world.give({ is: "wished", wish: other, isAsked: true });
  assert.equal(world.published?.attempt, before);
  assert.deepEqual([...world.ownShown].sort(), ["a1", "v2"]);
  world.give({
    is: "wished",
    wish: { ...other, streams: [{ kind: "audio", trackId: "a1" }] },
    isAsked: true,
  });
  assert.equal(world.published?.attempt, before + 1);
  world.calm();
  assert.deepEqual([...world.ownShown], ["a1"]);
});

test("a token that loses publish unpublishes without the strategy; one that gains it publishes by the wish", () => {
  const world = joined(wishing({ shouldPublish: true }), ["a"]);
  world.give({ is: "allowed", may: { publish: false, subscribe: true } });
  assert.equal(world.published, undefined);
  assert.deepEqual([...world.received.keys()], ["a"]);
  world.give({ is: "allowed", may: { publish: true, subscribe: false } });
  assert.ok(world.published);
  assert.deepEqual([...world.received.keys()], []);
});

test("what was refused is not tried again until the application asks", () => {
  const world = joined(wishing({ shouldPublish: true }), ["a"]);
  const attempt = world.published?.attempt ?? 0;
  world.give({ is: "publishing", attempt, progress: "errored", isFinal: true });
  world.give({ is: "subscribing", id: "a", progress: "errored", isFinal: true });
  world.published = undefined;
  world.give({ is: "wished", wish: wishing({ shouldPublish: true }), isAsked: false });
  world.give({ is: "listed", participants: [participant("a"), participant("b")] });
  assert.equal(world.published, undefined);
  assert.deepEqual([...world.received.keys()], ["b"]);
  world.give({ is: "wished", wish: wishing({ shouldPublish: true }), isAsked: true });
  assert.ok(world.published);
  assert.deepEqual([...world.received.keys()].sort(), ["a", "b"]);
});

test("whoever was replaced does not take the place back, however often the application asks", () => {
  const world = joined(wishing({ shouldPublish: true }));
  const attempt = world.published?.attempt ?? 0;
  world.give({ is: "publishing", attempt, progress: "errored", isFinal: true, isReplaced: true });
  world.published = undefined;
  for (let asked = 0; asked < 5; asked++) {
    world.give({ is: "wished", wish: wishing({ shouldPublish: true }), isAsked: true });
    assert.equal(world.published, undefined);
  }
  world.give({ is: "wished", wish: wishing(), isAsked: true });
  world.give({ is: "wished", wish: wishing({ shouldPublish: true }), isAsked: true });
  assert.ok(world.published);
});

test("a lost connection keeps what is received, and tells once when it is late", () => {
  const world = joined(wishing({ shouldPublish: true }), ["a"]);
  world.told.length = 0;
  for (const is of ["lost", "lost", "overdue", "overdue", "connected"] as const) world.give({ is });
  assert.deepEqual(world.told, ["connection", "connection", "connection"]);
  assert.deepEqual([...world.received.keys()], ["a"]);
  assert.ok(world.published);
});

test("exchanged tokens and mutes of others are told, and only when they differ", () => {
  const world = joined(wishing({ media: "NONE" }), ["a"]);
  world.told.length = 0;
  const changed = { ...participant("a"), attributes: { role: "host" }, audioMuted: true };
  world.give({ is: "listed", participants: [changed] });
  world.give({ is: "listed", participants: [changed] });
  assert.deepEqual(world.told, ["metadata", "muted"]);
});
