/** Which layers a publisher sends, as the server says who wants them; who speaks; what is muted. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { listen } from "../src/connections/index.js";
import { encodingsOf, LayerSwitch, readLayers } from "../src/connections/layers.js";
import { FakeSocket, settled, tokenWith } from "./fakes.js";

const TOKEN = tokenWith({ jti: "me", topic: "s1", events_url: "ws://sfu.test/events", exp: 32_503_680_000 });

/** A sender whose parameters go out of date, as a browser's do. */
class FakeSender {
  encodings = ["low", "mid", "hi"].map(rid => ({ rid, active: true }));
  version = 0;
  /** @type {string[]} */
  history = [];

  getParameters() {
    return { transactionId: `${this.version}`, encodings: structuredClone(this.encodings) };
  }

  /** @param {any} parameters */
  async setParameters({ transactionId, encodings }) {
    await new Promise(resolve => setImmediate(resolve));
    if (transactionId !== `${this.version}`) throw new Error("out of date");
    this.version += 1;
    this.encodings = encodings;
    this.history.push(
      encodings
        .filter(({ active }) => active)
        .map(({ rid }) => rid)
        .join(" "),
    );
  }
}

beforeEach(() => {
  FakeSocket.made = [];
  Object.assign(globalThis, { WebSocket: FakeSocket });
});

const latest = () => /** @type {FakeSocket} */ (FakeSocket.made.at(-1));
const wanted = (/** @type {string[]} */ ...rids) =>
  ["low", "mid", "hi"].map(rid => ({ rid, isWanted: rids.includes(rid) }));

test("three layers are sent if that is wished, none above the limit", () => {
  assert.deepEqual(encodingsOf({}), []);
  assert.deepEqual(encodingsOf({ maxBitrate: 5 }), [{ maxBitrate: 5 }]);
  const rates = encodingsOf({ simulcast: true, maxBitrate: 500_000 }).map(({ rid, maxBitrate }) => [
    rid,
    maxBitrate,
  ]);
  assert.deepEqual(rates, [
    ["low", 200_000],
    ["mid", 500_000],
    ["hi", 500_000],
  ]);
});

test("the newest wish is what is sent in the end, however fast they come", async () => {
  const sender = new FakeSender();
  const other = { getParameters: () => ({}) };
  const layers = new LayerSwitch(/** @type {any} */ ({ getSenders: () => [other, sender] }));
  layers.set(wanted("low"));
  layers.set(wanted("low", "mid"));
  layers.set(wanted("low", "mid", "hi"));
  layers.set(wanted("low", "mid"));
  await settled(() => sender.history.at(-1) === "low mid");
  assert.deepEqual(sender.history, ["low", "low mid"]);
  await layers.set(wanted("low", "mid"));
  assert.equal(sender.history.length, 2, "nothing has changed");
  await layers.set([{ rid: "unknown", isWanted: false }]);
  assert.equal(sender.history.length, 2);
});

test("what is no message about layers is none", () => {
  for (const payload of [{}, { session: "a" }, { session: 1, layers: [] }, { session: "a", layers: {} }]) {
    assert.equal(readLayers(payload), undefined);
  }
  const layers = [{ rid: "low", isWanted: false }, { rid: 7 }, null, { rid: "hi" }];
  assert.deepEqual(readLayers({ session: "a", layers }), {
    session: "a",
    layers: [
      { rid: "low", isWanted: false },
      { rid: "hi", isWanted: true },
    ],
  });
});

test("who speaks, what is muted and statistics are told by the events socket", () => {
  const events = listen(TOKEN);
  events.askForStats(2000);
  assert.deepEqual(latest().sent, [], "it is not open yet");
  latest().dispatchEvent(new Event("open"));
  assert.deepEqual(
    latest().sent.map(text => JSON.parse(text)),
    [{ type: "STATS_CONFIGURE", payload: { everyMs: 2000 } }],
  );
  /** @type {unknown[]} */
  const told = [];
  for (const type of ["speakerchange", "mutechange", "stats", "layerswanted"]) {
    events.addEventListener(type, event => {
      const { mute, stats, wanted } = /** @type {any} */ (event);
      told.push(mute ?? stats ?? wanted ?? [events.speaker, events.speaking]);
    });
  }
  latest().say({
    type: "STAGE_ACTIVE_SPEAKER_CHANGED",
    payload: { participantId: "a", speaking: ["a", "b"] },
  });
  latest().say({ type: "STAGE_ACTIVE_SPEAKER_CHANGED", payload: { participantId: null, speaking: [] } });
  latest().say({ type: "STAGE_STREAM_MUTE_CHANGED", payload: { kind: "audio", isMuted: true } });
  latest().say({ type: "STATS", payload: { connections: [] } });
  latest().say({ type: "PUBLISH_LAYERS_WANTED", payload: { session: "x", layers: wanted("low") } });
  latest().say({ type: "PUBLISH_LAYERS_WANTED", payload: "x" });
  assert.deepEqual(told, [
    ["a", ["a", "b"]],
    [undefined, []],
    { kind: "audio", isMuted: true },
    { connections: [] },
    { session: "x", layers: wanted("low") },
  ]);
  events.close();
});

/** A participant of STAGE_STATE. @param {string} id */
const publishing = id => ({ id, userId: "", attributes: {}, isPublishing: true });

test("who does not publish any more does not speak", () => {
  const events = listen(TOKEN);
  /** @type {unknown[]} */
  const told = [];
  events.addEventListener("speakerchange", () => told.push([events.speaker, events.speaking]));
  const publish = (/** @type {string[]} */ ...ids) =>
    latest().say({ type: "STAGE_STATE", payload: { participants: ids.map(publishing) } });
  const speak = (/** @type {string} */ participantId, /** @type {string[]} */ ...speaking) =>
    latest().say({ type: "STAGE_ACTIVE_SPEAKER_CHANGED", payload: { participantId, speaking } });
  latest().dispatchEvent(new Event("open"));
  publish("a", "b", "c");
  speak("a", "a", "b");
  publish("a", "b");
  publish("b");
  publish();
  assert.deepEqual(told, [
    ["a", ["a", "b"]],
    [undefined, ["b"]],
    [undefined, []],
  ]);
  events.close();
});

test("a socket that is opened again tells anew who speaks", async () => {
  const events = listen(TOKEN);
  const state = { type: "STAGE_STATE", payload: { participants: [publishing("a")] } };
  latest().dispatchEvent(new Event("open"));
  latest().say(state);
  latest().say({ type: "STAGE_ACTIVE_SPEAKER_CHANGED", payload: { participantId: "a", speaking: ["a"] } });
  latest().end(1006);
  await settled(() => FakeSocket.made.length === 2);
  latest().dispatchEvent(new Event("open"));
  latest().say(state);
  assert.deepEqual([events.speaker, events.speaking], [undefined, []]);
  events.close();
});

test("an interval of statistics that cannot be is an error, and is not asked for again", async () => {
  const events = listen(TOKEN);
  latest().dispatchEvent(new Event("open"));
  events.askForStats(2000);
  for (const everyMs of [500, 60_001, 1000.5, Number.NaN, Number.POSITIVE_INFINITY, -1]) {
    assert.throws(() => events.askForStats(everyMs), RangeError);
  }
  assert.throws(() => events.askForStats(/** @type {any} */ ("2000")), RangeError);
  assert.equal(latest().sent.length, 1);
  /** @type {any[]} */
  const refusals = [];
  events.addEventListener("refused", event => refusals.push(/** @type {any} */ (event).refusal));
  latest().say({ type: "STATS_CONFIGURE_ERROR", payload: { code: "INVALID", message: "not so often" } });
  latest().say({
    type: "SUBSCRIBE_CONFIGURE_ERROR",
    payload: { code: "TOO_OFTEN", message: "ten a second" },
  });
  assert.deepEqual(
    refusals.map(({ type, error }) => [type, error.code, error.message]),
    [
      ["STATS_CONFIGURE", "INVALID", "not so often"],
      ["SUBSCRIBE_CONFIGURE", "TOO_OFTEN", "ten a second"],
    ],
  );
  latest().end(1006);
  await settled(() => FakeSocket.made.length === 2);
  latest().dispatchEvent(new Event("open"));
  assert.deepEqual(latest().sent, []);
  events.close();
});
