/** What is sent and received: layers, rates, stereo, sizes, statistics. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { NetworkQuality, StreamType } from "../src/stage/enums.js";
import { localStats, QualityMemory, qualityOf, remoteStats } from "../src/streams/quality.js";
import { readStageLayers } from "../src/streams/remote_stream.js";
import { encodingsFor, normalize, SimulcastLayerPresets, withStereo } from "../src/streams/simulcast.js";
import { linesOf } from "../src/streams/size.js";

const simulcast = { simulcast: { enabled: true } };

test("layers follow the size of the track, as the service documents them", () => {
  const sizes: [number, number, (string | undefined)[], number[]][] = [
    [1280, 720, ["low", "mid", "hi"], [180, 360, 720]],
    [960, 540, ["low", "hi"], [180, 540]],
    [640, 360, ["low", "hi"], [180, 360]],
    [480, 270, [undefined], [270]],
    [320, 180, [undefined], [180]],
    [720, 1280, ["low", "mid", "hi"], [320, 640, 1280]],
  ];
  for (const [width, height, rids, lines] of sizes) {
    const encodings = encodingsFor(normalize(simulcast), { width, height });
    assert.deepEqual(
      encodings.map(({ rid }) => rid),
      rids,
    );
    assert.deepEqual(
      encodings.map(({ scaleResolutionDownBy = 1 }) => Math.round(height / scaleResolutionDownBy)),
      lines,
    );
  }
});

test("rates of layers are the service's, and what is configured bounds the largest", () => {
  const of = (config: object) =>
    encodingsFor(normalize(config), { width: 1280, height: 720 }).map(({ maxBitrate, maxFramerate }) => [
      maxBitrate,
      maxFramerate,
    ]);
  assert.deepEqual(of(simulcast), [
    [200_000, 15],
    [700_000, 20],
    [1_700_000, 30],
  ]);
  assert.deepEqual(of({ ...simulcast, maxBitrate: 1000, maxFramerate: 10 }), [
    [200_000, 10],
    [700_000, 10],
    [1_000_000, 10],
  ]);
  assert.deepEqual(of({ ...simulcast, maxBitrate: 899 }), [[899_000, 30]]);
  assert.deepEqual(of({ maxVideoBitrateKbps: 500, maxBitrate: 9 }), [[500_000, 30]]);
});

test("layers of the application's own are taken as they are, smallest first, and no more than three", () => {
  const { DEFAULT_720, DEFAULT_360, DEFAULT_180 } = SimulcastLayerPresets;
  const own = { width: 640, height: 360, maxBitrateKbps: 600, maxFramerate: 12 };
  const encodings = encodingsFor(normalize({ simulcast: { enabled: true, layers: [DEFAULT_720, own] } }), {
    width: 1280,
    height: 720,
  });
  assert.deepEqual(encodings, [
    { rid: "low", scaleResolutionDownBy: 2, maxBitrate: 600_000, maxFramerate: 12 },
    { rid: "hi", scaleResolutionDownBy: 1, maxBitrate: 1_700_000, maxFramerate: 30 },
  ]);
  const four = [DEFAULT_720, DEFAULT_360, DEFAULT_180, own];
  assert.throws(() => normalize({ simulcast: { enabled: true, layers: four } }), RangeError);
  assert.throws(() => normalize({ maxBitrate: 0 }), RangeError);
  assert.throws(() => normalize({ maxFramerate: Number.NaN }), RangeError);
});

test("stereo is wished for in all Opus of a description, and in nothing else", () => {
  const sdp = [
    "m=audio 9 x 111 9",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtpmap:9 G722/8000",
    "m=audio 9 x 112",
    "a=rtpmap:112 opus/48000/2",
    "",
  ].join("\r\n");
  const wished = withStereo(sdp);
  assert.match(wished, /^a=fmtp:111 minptime=10;useinbandfec=1;stereo=1\r$/m);
  assert.match(wished, /^a=rtpmap:112 opus\/48000\/2\r\na=fmtp:112 stereo=1\r$/m);
  assert.equal(withStereo(wished), wished);
  assert.equal(withStereo("v=0\r\n"), "v=0\r\n");
});

test("lines are those that an element shows on its screen", () => {
  const picture = { width: 1280, height: 720 };
  assert.equal(linesOf({ width: 320, height: 180 }, picture, false, 1), 192);
  assert.equal(linesOf({ width: 320, height: 180 }, picture, false, 2), 368);
  // Bars above and below.
  assert.equal(linesOf({ width: 320, height: 600 }, picture, false, 1), 192);
  // Cut off at both sides.
  assert.equal(linesOf({ width: 100, height: 360 }, picture, true, 1), 368);
  assert.equal(linesOf({ width: 640, height: 100 }, picture, true, 1), 368);
  // Before the first picture.
  assert.equal(linesOf({ width: 320, height: 180 }, { width: 0, height: 0 }, false, 1), 192);
  // Hidden.
  assert.equal(linesOf({ width: 0, height: 0 }, picture, false, 1), 1);
});

test("a network is called by its share of lost packets", () => {
  const { DOWN, POOR, NORMAL, GOOD, EXCELLENT } = NetworkQuality;
  const judged = [0, 1, 20, 21, 50, 51, 150, 151].map(lost => qualityOf(1000 - lost, lost));
  assert.deepEqual(judged, [EXCELLENT, GOOD, GOOD, NORMAL, NORMAL, POOR, POOR, DOWN]);
  assert.equal(qualityOf(0, 0), DOWN);
});

test("quality is of the time since the last request, also when a connection was replaced", () => {
  const memory = new QualityMemory();
  const { GOOD, EXCELLENT, DOWN } = NetworkQuality;
  assert.deepEqual(
    [
      memory.judge("s", 990, 10),
      memory.judge("s", 1990, 10),
      memory.judge("s", 1990, 10),
      memory.judge("s", 100, 0),
    ],
    [GOOD, EXCELLENT, DOWN, EXCELLENT],
  );
});

const report = (...entries: object[]) =>
  new Map(entries.map((entry, index) => [`${index}`, entry])) as unknown as RTCStatsReport;

test("statistics of what is sent: one entry for each layer, with what the other side says of it", () => {
  const stats = localStats(
    report(
      { id: "codec", type: "codec", mimeType: "video/H264" },
      {
        id: "o1",
        type: "outbound-rtp",
        kind: "video",
        rid: "low",
        active: true,
        packetsSent: 100,
        codecId: "codec",
      },
      {
        id: "o2",
        type: "outbound-rtp",
        kind: "video",
        rid: "hi",
        active: false,
        packetsSent: 0,
        frameWidth: "?",
      },
      { id: "r1", type: "remote-inbound-rtp", localId: "o1", packetsLost: 2, roundTripTime: 0.05 },
      { id: "o3", type: "outbound-rtp", kind: "audio" },
    ),
    StreamType.VIDEO,
    new QualityMemory(),
  ) as Record<string, unknown>[];
  assert.equal(stats.length, 2);
  const { rid, active, packetsSent, packetsLost, mimeType, roundTripTime, networkQuality } = stats[0];
  assert.deepEqual(
    [rid, active, packetsSent, packetsLost, mimeType, roundTripTime, networkQuality],
    ["low", true, 100, 2, "video/H264", 0.05, NetworkQuality.GOOD],
  );
  assert.deepEqual([stats[1].frameWidth, stats[1].networkQuality], [undefined, NetworkQuality.DOWN]);
  assert.equal(localStats(report(), StreamType.VIDEO, new QualityMemory()), undefined);
});

test("statistics of what is received", () => {
  const inbound = {
    id: "i",
    type: "inbound-rtp",
    kind: "audio",
    packetsReceived: 50,
    packetsLost: 0,
    audioLevel: 0.5,
  };
  const stats = remoteStats(report(inbound), StreamType.AUDIO, new QualityMemory());
  assert.deepEqual(stats, [
    { packetsReceived: 50, packetsLost: 0, audioLevel: 0.5, networkQuality: NetworkQuality.EXCELLENT },
  ]);
  assert.equal(remoteStats(report(inbound), StreamType.VIDEO, new QualityMemory()), undefined);
});

test("layers that cannot be read are left out", () => {
  const layers = readStageLayers([
    { label: "low", rid: "q", width: 320, height: 180, bitrate: 1000, framesPerSecond: 15, selected: true },
    { width: 1 },
    null,
    { label: "hi" },
  ]);
  assert.deepEqual(
    layers.map(one => [one.label, one.rid, one.height, one.bitrateBps, one.framesPerSecond, one.selected]),
    [
      ["low", "q", 180, 1000, 15, true],
      ["hi", "", 0, 0, 0, false],
    ],
  );
  assert.deepEqual(readStageLayers("no"), []);
});
