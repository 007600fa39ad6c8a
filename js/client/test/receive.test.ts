/** The one receiving connection, against a server that a test plays. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { ReceiveConnection } from "../src/receive/connection.js";
import type { ReceivedTracks, ReceiveWant } from "../src/receive/receiver.js";
import { readOffer, readStates } from "../src/receive/sdp.js";
import { FakePeer } from "./fake_peer.js";
import { settled } from "./fakes.js";
import { useFakes } from "./rig.js";

useFakes({ timers: ["setTimeout"], globals: { RTCPeerConnection: FakePeer } });

const want = (id: string, change: Partial<ReceiveWant> = {}): ReceiveWant => ({
  ...{ id, media: "AUDIO_VIDEO", priority: 5, isHighestFirst: false, readsMessages: false },
  ...change,
});
const wants = (...all: ReceiveWant[]) => new Map(all.map(one => [one.id, one]));

/** A connection, and all that it said. */
function open() {
  FakePeer.made = [];
  const said: { type: string; payload: Record<string, unknown> }[] = [];
  const progress: unknown[][] = [];
  const tracks = new Map<string, ReceivedTracks>();
  const signals = {
    isOpen: true,
    tell: (type: string, payload: object) => {
      if (signals.isOpen) said.push({ type, payload: { ...payload } });
    },
  };
  let unknown = 0;
  const connection = new ReceiveConnection(
    signals,
    {
      onProgress: (id, to, error, isFinal = false) => progress.push([id, to, error?.code, isFinal]),
      onTracks: (id, now) => tracks.set(id, now),
      onMessage: () => {},
    },
    () => {
      unknown += 1;
    },
  );
  const of = (type: string) => said.filter(one => one.type === type).map(one => one.payload);
  /** The server offers, and the browser has answered. */
  const offer = async (connectionId: string, revision: number, sdp: string, ...streams: object[]) => {
    const before = of("RECEIVE_ANSWER").length;
    connection.take("RECEIVE_OFFER", { connectionId, revision, sdp, streams });
    await settled(() => of("RECEIVE_ANSWER").length > before);
  };
  const place = (id: string, audioMid: string | null, videoMid: string | null) => ({
    remoteParticipantId: id,
    audioMid,
    videoMid,
  });
  const first = async () => {
    connection.set(wants(want("ann")));
    mock.timers.tick(10);
    connection.take("RECEIVE_CONFIGURED", { connectionId: "c1", receive: [] });
    await offer("c1", 1, "0:audio 1:video", place("ann", "0", "1"));
    FakePeer.made[0].become("connected");
    return FakePeer.made[0];
  };
  return { connection, said, of, progress, tracks, signals, offer, place, first, unknown: () => unknown };
}

const kinds = (tracks: ReceivedTracks | undefined) => Object.keys(tracks ?? {}).sort();

test("wishes that change together are told together, and the same wishes only once", () => {
  const { connection, of } = open();
  connection.set(wants(want("ann")));
  connection.set(
    wants(want("ann"), want("bob", { media: "AUDIO_ONLY", maxHeight: 192, isHighestFirst: true })),
  );
  mock.timers.tick(10);
  connection.set(
    wants(want("ann"), want("bob", { media: "AUDIO_ONLY", maxHeight: 192, isHighestFirst: true })),
  );
  mock.timers.tick(10);
  assert.deepEqual(of("RECEIVE_CONFIGURE"), [
    {
      receive: [
        { remoteParticipantId: "ann", media: "AUDIO_VIDEO", priority: 5 },
        {
          ...{ remoteParticipantId: "bob", media: "AUDIO_ONLY", priority: 5 },
          ...{ initialLayerPreference: "HIGHEST_QUALITY", maxHeight: 192 },
        },
      ],
    },
  ]);
  connection.close();
});

test("whoever a busy server refuses is asked for again, and is said to be late after a while", async () => {
  const { connection, of, progress, first } = open();
  await first();
  progress.length = 0;
  const refuse = (code: string) =>
    connection.take("RECEIVE_CONFIGURED", {
      connectionId: "c1",
      receive: [{ remoteParticipantId: "bob", state: "REFUSED", code, message: "why" }],
    });
  let now = 0;
  const clock = mock.method(performance, "now", () => now);
  connection.set(wants(want("ann"), want("bob")));
  mock.timers.tick(10);
  for (let seconds = 0; seconds < 40; seconds += 8) {
    const before = of("RECEIVE_CONFIGURE").length;
    refuse("STAGE_AT_CAPACITY");
    now += 8000;
    mock.timers.tick(8000);
    assert.equal(of("RECEIVE_CONFIGURE").length, before + 1, `after ${seconds} s`);
  }
  refuse("STAGE_AT_CAPACITY");
  const told = progress.map(([, to, code]) => (code ? `${to} ${code}` : to));
  assert.deepEqual(told, [...Array(4).fill("attempting"), "errored STAGE_AT_CAPACITY"]);
  connection.take("RECEIVE_STATE", {
    connectionId: "c1",
    receive: [{ remoteParticipantId: "bob", state: "ATTACHED" }],
  });
  assert.deepEqual(progress.at(-1), ["bob", "attempting", undefined, false]);
  mock.timers.tick(8000);
  const asked = of("RECEIVE_CONFIGURE").length;
  refuse("TOKEN_NOT_ALLOWED");
  mock.timers.tick(60_000);
  assert.equal(of("RECEIVE_CONFIGURE").length, asked, "what does not pass is not asked for again");
  assert.deepEqual(progress.at(-1), ["bob", "errored", "TOKEN_NOT_ALLOWED", true]);
  clock.mock.restore();
  connection.close();
});

test("a set that a busy server does not take is told again", () => {
  const { connection, of, progress } = open();
  connection.set(wants(want("ann")));
  mock.timers.tick(10);
  connection.take("RECEIVE_CONFIGURE_ERROR", { code: "STAGE_AT_CAPACITY", message: "try again in a moment" });
  assert.deepEqual(progress, [["ann", "attempting", undefined, false]]);
  mock.timers.tick(1000);
  assert.equal(of("RECEIVE_CONFIGURE").length, 2);
  connection.take("RECEIVE_CONFIGURE_ERROR", { code: "TOKEN_NOT_ALLOWED", message: "no SUBSCRIBE" });
  assert.deepEqual(progress.at(-1), ["ann", "errored", "TOKEN_NOT_ALLOWED", true]);
  mock.timers.tick(10_000);
  assert.equal(of("RECEIVE_CONFIGURE").length, 2);
  connection.close();
});

test("nobody is wanted: nothing is told", () => {
  const { connection, said } = open();
  connection.set(wants());
  mock.timers.tick(10);
  connection.close();
  assert.deepEqual(said, []);
});

test("offers are answered in their order, and tracks are the participants'", async () => {
  const { first, of, tracks, offer, place, connection } = open();
  const peer = await first();
  assert.deepEqual(kinds(tracks.get("ann")), ["audio"]);
  peer.transceivers[1].receiver.track.dispatchEvent(new Event("unmute"));
  assert.deepEqual(kinds(tracks.get("ann")), ["audio", "video"]);
  await offer("c1", 2, "0:audio 1:video 2:audio 3:video", place("ann", "0", "1"), place("bob", "2", null));
  assert.deepEqual(
    of("RECEIVE_ANSWER").map(({ connectionId, revision }) => [connectionId, revision]),
    [
      ["c1", 1],
      ["c1", 2],
    ],
  );
  assert.deepEqual(kinds(tracks.get("bob")), ["audio"]);
  assert.equal(FakePeer.made.length, 1);
  connection.close();
  assert.deepEqual(of("RECEIVE_CLOSE"), [{ connectionId: "c1" }]);
  assert.deepEqual([kinds(tracks.get("ann")), kinds(tracks.get("bob"))], [[], []]);
});

test("a part of the connection that another participant gets is told as gone first, and then as the other one's", async () => {
  const { first, tracks, offer, place, connection } = open();
  await first();
  const former = tracks.get("ann")?.audio?.track;
  await offer("c1", 2, "0:audio 1:video");
  assert.deepEqual(kinds(tracks.get("ann")), []);
  await offer("c1", 3, "0:audio 1:video", place("bob", "0", "1"));
  assert.deepEqual([tracks.get("bob")?.audio?.track, kinds(tracks.get("ann"))], [former, []]);
  connection.close();
});

test("whoever is wanted with more than before is told again, also if nothing changes on the connection", async () => {
  const { first, tracks, connection } = open();
  await first();
  tracks.clear();
  connection.set(wants(want("ann", { media: "AUDIO_ONLY" })));
  assert.deepEqual(kinds(tracks.get("ann")), ["audio"]);
  tracks.clear();
  connection.set(wants(want("ann", { media: "AUDIO_ONLY" })));
  assert.equal(tracks.size, 0);
  connection.close();
});

test("pictures of a participant who is gone are not shown when they come late", async () => {
  const { first, tracks, offer, connection } = open();
  const peer = await first();
  await offer("c1", 2, "0:audio 1:video");
  peer.transceivers[1].receiver.track.dispatchEvent(new Event("unmute"));
  assert.deepEqual(kinds(tracks.get("ann")), []);
  connection.close();
});

test("relays of an offer are known to the browser", async () => {
  const { connection, offer } = open();
  connection.set(wants(want("ann")));
  mock.timers.tick(10);
  const iceServers = [{ urls: "turn:192.0.2.1", username: "u", credential: "c" }];
  connection.take("RECEIVE_OFFER", {
    connectionId: "c1",
    revision: 1,
    sdp: "0:audio",
    streams: [],
    iceServers,
  });
  await settled(() => FakePeer.made.length === 1);
  assert.deepEqual(FakePeer.made[0].configuration.iceServers, iceServers);
  await offer("c1", 2, "0:audio");
  connection.close();
});

test("who waits is waited for, and who is refused is told once and for all", async () => {
  const { first, progress, connection } = open();
  await first();
  connection.set(wants(want("ann"), want("bob"), want("eve")));
  progress.length = 0;
  connection.take("RECEIVE_STATE", {
    connectionId: "c1",
    receive: [
      { remoteParticipantId: "ann", media: "AUDIO_VIDEO", state: "ATTACHED" },
      { remoteParticipantId: "bob", media: "AUDIO_VIDEO", state: "WAITING" },
      {
        remoteParticipantId: "eve",
        media: "AUDIO_VIDEO",
        state: "REFUSED",
        code: "CODEC_MISMATCH",
        message: "no",
      },
      { remoteParticipantId: "stranger", state: "REFUSED" },
    ],
  });
  assert.deepEqual(progress, [
    ["bob", "attempting", undefined, false],
    ["eve", "errored", "CODEC_MISMATCH", true],
  ]);
  connection.close();
});

test("a socket that comes back adopts the connection that still lives", async () => {
  const { first, of, signals, connection } = open();
  await first();
  signals.isOpen = false;
  connection.set(wants(want("ann"), want("bob")));
  mock.timers.tick(10);
  assert.equal(of("RECEIVE_CONFIGURE").length, 1);
  signals.isOpen = true;
  connection.opened();
  mock.timers.tick(0);
  const { connectionId, receive } = of("RECEIVE_CONFIGURE")[1];
  assert.deepEqual([connectionId, (receive as unknown[]).length], ["c1", 2]);
  connection.take("RECEIVE_CONFIGURED", { connectionId: "c1", receive: [] });
  assert.notEqual(FakePeer.made[0].connectionState, "closed");
  connection.close();
});

test("a server that no longer has the connection gives another one", async () => {
  const { first, offer, place, tracks, connection, of } = open();
  const peer = await first();
  connection.opened();
  mock.timers.tick(0);
  connection.take("RECEIVE_CONFIGURED", { connectionId: "c2", receive: [] });
  assert.equal(peer.connectionState, "closed");
  assert.deepEqual(kinds(tracks.get("ann")), []);
  await offer("c2", 1, "0:audio 1:video", place("ann", "0", "1"));
  assert.equal(FakePeer.made.length, 2);
  assert.deepEqual(kinds(tracks.get("ann")), ["audio"]);
  // The set was told with the question, and not again.
  mock.timers.tick(100);
  assert.equal(of("RECEIVE_CONFIGURE").length, 2);
  connection.close();
});

test("an interrupted connection asks for another path, and is replaced if there is none", async () => {
  const { first, of, progress, connection } = open();
  const peer = await first();
  progress.length = 0;
  peer.become("disconnected");
  assert.deepEqual(of("RECEIVE_RESTART"), [{ connectionId: "c1" }]);
  assert.deepEqual(progress, [["ann", "attempting", undefined, false]]);
  mock.timers.tick(3000);
  assert.deepEqual(of("RECEIVE_CLOSE"), [{ connectionId: "c1" }]);
  assert.equal(peer.connectionState, "closed");
  mock.timers.tick(500);
  assert.equal(of("RECEIVE_CONFIGURE").length, 2);
  assert.equal(of("RECEIVE_CONFIGURE")[1].connectionId, undefined);
  connection.close();
});

test("an interrupted connection that finds a path stays, and media counts as flowing again", async () => {
  const { first, of, tracks, connection } = open();
  const peer = await first();
  peer.become("disconnected");
  tracks.clear();
  peer.become("connected");
  mock.timers.tick(10_000);
  assert.deepEqual(of("RECEIVE_CLOSE"), []);
  assert.deepEqual(kinds(tracks.get("ann")), ["audio"]);
  connection.close();
});

test("the server's end by DTLS is noticed at once", async () => {
  const { first, of, connection } = open();
  const peer = await first();
  peer.transport.state = "closed";
  peer.transport.dispatchEvent(new Event("statechange"));
  mock.timers.tick(500);
  assert.equal(of("RECEIVE_CONFIGURE").length, 2);
  connection.close();
});

test("whoever was replaced never takes the place back by itself", async () => {
  const { first, of, progress, connection } = open();
  await first();
  connection.take("RECEIVE_CLOSED", { connectionId: "c1", code: "REPLACED", message: "a newer one" });
  assert.deepEqual(progress.at(-1), ["ann", "errored", "REPLACED", true]);
  connection.opened();
  mock.timers.tick(60_000);
  assert.equal(of("RECEIVE_CONFIGURE").length, 1);
  connection.close();
});

test("a connection that the server closed for another reason is opened again", async () => {
  const { first, of, connection } = open();
  await first();
  connection.take("RECEIVE_CLOSED", { connectionId: "other", code: "SILENT", message: "" });
  connection.take("RECEIVE_CLOSED", { connectionId: "c1", code: "SILENT", message: "" });
  mock.timers.tick(500);
  assert.equal(of("RECEIVE_CONFIGURE").length, 2);
  connection.close();
});

test("a media path that is not there is tried again, and told after half a minute", async () => {
  const { connection, offer, progress, of } = open();
  connection.set(wants(want("ann")));
  mock.timers.tick(10);
  for (let attempt = 1; attempt <= 3; attempt++) {
    await offer(`c${attempt}`, 1, "0:audio");
    mock.timers.tick(10_000);
    assert.deepEqual(progress.at(-1), ["ann", "attempting", "NO_MEDIA_PATH", false]);
    mock.timers.tick(4000);
    assert.equal(of("RECEIVE_CONFIGURE").length, attempt + 1);
  }
  assert.deepEqual(
    progress.filter(([, to]) => to === "errored"),
    [["ann", "errored", "TIMEOUT", false]],
  );
  connection.close();
});

test("an offer that the browser cannot read has the connection opened again", async () => {
  const { connection, of, progress } = open();
  connection.set(wants(want("ann")));
  mock.timers.tick(10);
  connection.take("RECEIVE_OFFER", { connectionId: "c1", revision: 1, sdp: "nonsense", streams: [] });
  await settled(() => of("RECEIVE_CLOSE").length === 1);
  assert.deepEqual(progress.at(-1), ["ann", "attempting", "FAILED", false]);
  mock.timers.tick(500);
  assert.equal(of("RECEIVE_CONFIGURE").length, 2);
  connection.close();
});

test("wishes that come too often are told later, and those that are refused are told to the application", async () => {
  const { connection, of, progress, first } = open();
  await first();
  connection.set(wants(want("ann"), want("bob")));
  mock.timers.tick(10);
  connection.take("RECEIVE_CONFIGURE_ERROR", { code: "TOO_OFTEN", message: "" });
  mock.timers.tick(1000);
  assert.equal(of("RECEIVE_CONFIGURE").length, 3);
  progress.length = 0;
  connection.take("RECEIVE_CONFIGURE_ERROR", { code: "INVALID", message: "", member: "receive" });
  assert.deepEqual(progress, [["bob", "errored", "INVALID", true]]);
  connection.close();
});

test("an answer that a busy server did not take is sent again, and others are left alone", async () => {
  const { connection, of, first } = open();
  const peer = await first();
  const refuse = (code: string) =>
    connection.take("RECEIVE_ANSWER_ERROR", { connectionId: "c1", revision: 1, code, message: "" });
  refuse("WRONG_REVISION");
  refuse("BUSY");
  mock.timers.tick(1000);
  assert.deepEqual(
    of("RECEIVE_ANSWER").map(({ revision }) => revision),
    [1, 1],
  );
  assert.notEqual(peer.connectionState, "closed");
  refuse("INVALID_SDP");
  assert.equal(peer.connectionState, "closed");
  connection.close();
});

test("of more participants than a server takes, those with the highest priority are told", () => {
  const { connection, of, progress } = open();
  const all = Array.from({ length: 50 }, (_, index) => want(`p${index}`, { priority: index < 2 ? 1 : 5 }));
  connection.set(wants(...all));
  mock.timers.tick(10);
  const [{ receive }] = of("RECEIVE_CONFIGURE") as { receive: { remoteParticipantId: string }[] }[];
  assert.deepEqual([receive.length, receive[0].remoteParticipantId], [48, "p2"]);
  assert.deepEqual(progress, [
    ["p0", "errored", "STAGE_AT_CAPACITY", false],
    ["p1", "errored", "STAGE_AT_CAPACITY", false],
  ]);
  connection.close();
});

test("whoever loses its place to a higher priority is told, and has it back when there is room", async () => {
  const { connection, of, offer, place, progress, tracks } = open();
  const all = (priorities: Record<string, number> = {}, count = 49) =>
    Array.from({ length: count }, (_, index) => {
      const id = `p${index}`;
      return want(id, { priority: priorities[id] ?? 5 });
    });
  connection.set(wants(...all({}, 48)));
  mock.timers.tick(10);
  await offer("c1", 1, "0:audio 1:video", place("p47", "0", "1"));
  FakePeer.made[0].become("connected");
  assert.deepEqual(kinds(tracks.get("p47")), ["audio"]);
  connection.set(wants(...all({ p48: 6 })));
  mock.timers.tick(10);
  assert.deepEqual(progress, [["p47", "errored", "STAGE_AT_CAPACITY", false]]);
  assert.deepEqual(kinds(tracks.get("p47")), []);
  // The server has not taken it away yet.
  FakePeer.made[0].become("connected");
  assert.deepEqual(kinds(tracks.get("p47")), []);
  // What happens to the connection is no news for whoever has no place.
  progress.length = 0;
  connection.set(wants(...all({ p48: 7 })));
  mock.timers.tick(10);
  connection.take("RECEIVE_CONFIGURE_ERROR", { code: "INVALID", message: "" });
  connection.take("RECEIVE_CLOSED", { connectionId: "c1", code: "SILENT", message: "" });
  assert.ok(progress.length > 0 && progress.every(([id]) => id !== "p47"));
  mock.timers.tick(500);
  const receivedBy = () => {
    const { receive } = of("RECEIVE_CONFIGURE").at(-1) as { receive: { remoteParticipantId: string }[] };
    return receive.map(one => one.remoteParticipantId);
  };
  assert.ok(!receivedBy().includes("p47"));
  progress.length = 0;
  connection.set(wants(...all({ p48: 4 })));
  mock.timers.tick(10);
  assert.deepEqual(progress, [
    ["p48", "errored", "STAGE_AT_CAPACITY", false],
    ["p47", "attempting", undefined, false],
  ]);
  assert.ok(receivedBy().includes("p47") && !receivedBy().includes("p48"));
  // Wanted anew is told anew.
  progress.length = 0;
  connection.set(wants(...all({}, 48)));
  connection.set(wants(...all({ p48: 4 })));
  mock.timers.tick(10);
  assert.deepEqual(progress, [["p48", "errored", "STAGE_AT_CAPACITY", false]]);
  connection.close();
});

test("a page that leaves because there is no room tells the server nothing more", () => {
  FakePeer.made = [];
  const said: string[] = [];
  const connection: ReceiveConnection = new ReceiveConnection(
    { isOpen: true, tell: type => said.push(type) },
    { onProgress: () => connection.close(), onTracks: () => {}, onMessage: () => {} },
    () => {},
  );
  connection.set(wants(...Array.from({ length: 49 }, (_, index) => want(`p${index}`))));
  mock.timers.tick(10);
  assert.deepEqual(said, []);
});

test("a server that does not know such connections is recognized by its answer, and by no other", () => {
  const { connection, unknown } = open();
  connection.set(wants(want("ann")));
  mock.timers.tick(10);
  connection.take("ERROR", {
    code: "UNKNOWN_TYPE",
    message: 'type "WHATEVER" is unknown: send RECEIVE_CONFIGURE',
  });
  assert.equal(unknown(), 0);
  connection.take("ERROR", {
    code: "UNKNOWN_TYPE",
    message: 'type "RECEIVE_CONFIGURE" is unknown: send PING',
  });
  assert.equal(unknown(), 1);
  connection.close();
});

test("what cannot be read of an offer or of states is left out", () => {
  assert.equal(readOffer({ connectionId: "c", revision: 1 }), undefined);
  assert.equal(readOffer({ connectionId: "c", revision: "1", sdp: "v=0" }), undefined);
  const offer = readOffer({
    ...{ connectionId: "c", revision: 1, sdp: "v=0" },
    streams: [null, 1, { audioMid: "0" }, { remoteParticipantId: "a", audioMid: 0, videoMid: "1" }],
    iceServers: "none",
  });
  assert.deepEqual(offer?.streams, [{ id: "a", audioMid: undefined, videoMid: "1" }]);
  assert.deepEqual(offer?.iceServers, []);
  assert.deepEqual(readStates({ receive: [{ remoteParticipantId: "a", state: "NEW" }, {}] }), []);
  assert.deepEqual(readStates({}), []);
});
