/** One connection for several stages, against a server that a test plays. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import type { Receiver, ReceiveWant } from "../src/receive/receiver.js";
import { SharedReceiver } from "../src/receive/shared.js";
import { FakePeer } from "./fake_peer.js";
import { settled } from "./fakes.js";
import { useFakes } from "./rig.js";

useFakes({ timers: ["setTimeout"], globals: { RTCPeerConnection: FakePeer } });

const wants = (...ids: string[]) =>
  new Map<string, ReceiveWant>(
    ids.map(id => [
      id,
      { id, media: "AUDIO_VIDEO", priority: 5, isHighestFirst: false, readsMessages: false },
    ]),
  );

const described = (id: string) => ({ remoteParticipantId: id, media: "AUDIO_VIDEO", priority: 5 });

/** A connection that stages can use, and all that it said. */
function open() {
  FakePeer.made = [];
  const said: { type: string; payload: Record<string, unknown> }[] = [];
  const signals = {
    isOpen: true,
    tell: (type: string, payload: object) => said.push({ type, payload: { ...payload } }),
  };
  const shared = new SharedReceiver(signals);
  const of = (type: string) => said.filter(one => one.type === type).map(one => one.payload);
  const use = (stageId: string) => {
    const told: unknown[] = [];
    const hooks = {
      onProgress: (id: string, to: string, error?: { code: string }) => told.push([id, to, error?.code]),
      onTracks: (id: string, tracks: object) => told.push([id, Object.keys(tracks).sort()]),
      onMessage: () => {},
    };
    const receiver = shared.use({ stageId, participantId: "eve" }, hooks, () => told.push("unknown"));
    return { told, receiver: receiver as Receiver };
  };
  const offer = async (revision: number, sdp: string, ...streams: object[]) => {
    const before = of("RECEIVE_ANSWER").length;
    shared.take("RECEIVE_OFFER", { connectionId: "c1", revision, sdp, streams });
    await settled(() => of("RECEIVE_ANSWER").length > before);
  };
  const place = (stageId: string, id: string, audioMid: string, videoMid: string) => ({
    ...{ stageId, participantId: "eve", remoteParticipantId: id, audioMid, videoMid },
  });
  return { shared, signals, said, of, use, offer, place };
}

test("stages are told together, and each hears of its own participants", async () => {
  const { shared, of, use, offer, place } = open();
  const [one, two] = [use("one"), use("two")];
  one.receiver.set(wants("ann"));
  two.receiver.set(wants("ann", "bob"));
  mock.timers.tick(10);
  assert.deepEqual(of("RECEIVE_CONFIGURE"), [
    {
      stages: [
        { stageId: "one", participantId: "eve", receive: [described("ann")] },
        { stageId: "two", participantId: "eve", receive: [described("ann"), described("bob")] },
      ],
    },
  ]);
  shared.take("RECEIVE_CONFIGURED", {
    connectionId: "c1",
    stages: [
      { stageId: "one", participantId: "eve", receive: [{ remoteParticipantId: "ann", state: "ATTACHED" }] },
      {
        ...{ stageId: "two", participantId: "eve" },
        receive: [
          { remoteParticipantId: "bob", state: "REFUSED", code: "TOKEN_NOT_ALLOWED", message: "why" },
        ],
      },
    ],
  });
  assert.deepEqual([one.told, two.told], [[], [["bob", "errored", "TOKEN_NOT_ALLOWED"]]]);
  await offer(
    1,
    "0:audio 1:video 2:audio 3:video",
    place("one", "ann", "0", "1"),
    place("two", "ann", "2", "3"),
  );
  assert.deepEqual(
    [one.told.at(-1), two.told.at(-1)],
    [
      ["ann", ["audio"]],
      ["ann", ["audio"]],
    ],
  );
  FakePeer.made[0].transceivers[1].receiver.track.dispatchEvent(new Event("unmute"));
  assert.deepEqual(
    [one.told.at(-1), two.told.at(-1)],
    [
      ["ann", ["audio", "video"]],
      ["ann", ["audio"]],
    ],
  );
  shared.close();
});

test("from one stage to another the connection stays", async () => {
  const { shared, of, use, offer, place } = open();
  const one = use("one");
  one.receiver.set(wants("ann"));
  mock.timers.tick(10);
  shared.take("RECEIVE_CONFIGURED", { connectionId: "c1", stages: [] });
  await offer(1, "0:audio 1:video", place("one", "ann", "0", "1"));
  FakePeer.made[0].become("connected");
  one.receiver.close();
  mock.timers.tick(10);
  assert.deepEqual(of("RECEIVE_CONFIGURE").at(-1), { connectionId: "c1", stages: [] });
  const two = use("two");
  two.receiver.set(wants("bob"));
  mock.timers.tick(10);
  await offer(2, "0:audio 1:video", place("two", "bob", "0", "1"));
  assert.deepEqual(two.told, [["bob", ["audio"]]]);
  assert.equal(FakePeer.made.length, 1);
  assert.equal(FakePeer.made[0].connectionState, "connected");
  shared.close();
  assert.equal(FakePeer.made[0].connectionState, "closed");
  assert.deepEqual(of("RECEIVE_CLOSE"), [{ connectionId: "c1" }]);
});

test("a stage whose own socket is away is told again when it is back", () => {
  const { shared, of, use } = open();
  const one = use("one");
  one.receiver.set(wants("ann"));
  mock.timers.tick(10);
  const stages = [{ stageId: "one", participantId: "eve", receive: [], code: "NO_SOCKET", message: "why" }];
  shared.take("RECEIVE_CONFIGURED", { connectionId: "c1", stages });
  assert.deepEqual(one.told, []);
  one.receiver.opened();
  mock.timers.tick(10);
  assert.equal(of("RECEIVE_CONFIGURE").length, 2);
  stages[0].code = "TOKEN_NOT_ALLOWED";
  shared.take("RECEIVE_CONFIGURED", { connectionId: "c1", stages });
  assert.deepEqual(one.told, [["ann", "errored", "TOKEN_NOT_ALLOWED"]]);
  shared.close();
});

test("a server that does not know it is left to the other ways, and so are too many stages", () => {
  const { shared, use } = open();
  const uses = Array.from({ length: 17 }, (_, number) => use(`s${number}`));
  assert.deepEqual(
    uses.map(({ receiver }) => receiver !== undefined),
    [...Array(16).fill(true), false],
  );
  assert.equal(use("s0").receiver, undefined, "the same participant twice");
  uses[0].receiver.set(wants("ann"));
  mock.timers.tick(10);
  shared.take("ERROR", { code: "UNKNOWN_TYPE", message: 'type "RECEIVE_CONFIGURE" is unknown' });
  assert.deepEqual(uses[0].told, ["unknown"]);
  assert.equal(use("more").receiver, undefined);
});
