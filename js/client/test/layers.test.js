/** Which layers a publisher sends, as the server says who wants them; who speaks; what is muted. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { listen } from "../src/client.js";
import { encodingsOf, LayerSwitch, readLayers } from "../src/layers.js";
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
