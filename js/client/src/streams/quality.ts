/** Statistics of one stream, in the form of the service's SDK. Pure: a report of the browser in, objects out. */

import { NetworkQuality, StreamType } from "../stage/enums.js";

/** What all statistics have. */
interface CommonStats {
  networkQuality?: NetworkQuality;
  /** For example `video/H264`. */
  mimeType?: string;
  packetsLost?: number;
  nackCount?: number;
}

interface LocalStats extends CommonStats {
  packetsSent?: number;
  bytesSent?: number;
  headerBytesSent?: number;
  retransmittedPacketsSent?: number;
  retransmittedBytesSent?: number;
  totalPacketSendDelay?: number;
  /** Seconds. */
  roundTripTime?: number;
}

export interface LocalAudioStats extends LocalStats {}

export interface LocalVideoStats extends LocalStats {
  /** Of its layer; absent without simulcast. */
  rid?: string;
  /** Whether the layer is sent. */
  active?: boolean;
  frameWidth?: number;
  frameHeight?: number;
  framesPerSecond?: number;
  framesEncoded?: number;
  framesSent?: number;
  hugeFramesSent?: number;
  keyFramesEncoded?: number;
  firCount?: number;
  pliCount?: number;
  /** `none`, `cpu`, `bandwidth` or `other`. */
  qualityLimitationReason?: string;
  qualityLimitationResolutionChanges?: number;
  /** Seconds, as the other two. */
  qualityLimitationBandwidthDuration?: number;
  qualityLimitationCpuDuration?: number;
  qualityLimitationOtherDuration?: number;
}

interface RemoteStats extends CommonStats {
  packetsReceived?: number;
  packetsDiscarded?: number;
  bytesReceived?: number;
  headerBytesReceived?: number;
  /** Seconds, as the other two; a sum over all that came out of the buffer (`jitterBufferEmittedCount`). */
  jitterBufferDelay?: number;
  jitterBufferTargetDelay?: number;
  jitterBufferMinimumDelay?: number;
  jitterBufferEmittedCount?: number;
}

export interface RemoteAudioStats extends RemoteStats {
  /** 0 to 1. */
  audioLevel?: number;
  concealedSamples?: number;
  insertedSamplesForDeceleration?: number;
  removedSamplesForAcceleration?: number;
  totalSamplesReceived?: number;
}

export interface RemoteVideoStats extends RemoteStats {
  frameWidth?: number;
  frameHeight?: number;
  framesPerSecond?: number;
  framesReceived?: number;
  framesDecoded?: number;
  framesDropped?: number;
  keyFramesDecoded?: number;
  firCount?: number;
  pliCount?: number;
  freezeCount?: number;
  pauseCount?: number;
  /** Seconds. */
  totalFreezesDuration?: number;
  totalPausesDuration?: number;
}

export type QualityStats = LocalAudioStats | LocalVideoStats | RemoteAudioStats | RemoteVideoStats;

/** The largest share of lost packets with which the network is still called so. */
const LOSS_MAX = [
  { quality: NetworkQuality.EXCELLENT, share: 0 },
  { quality: NetworkQuality.GOOD, share: 0.02 },
  { quality: NetworkQuality.NORMAL, share: 0.05 },
  { quality: NetworkQuality.POOR, share: 0.15 },
];

/** Counters at the last request, so that the quality is of the time since. */
export class QualityMemory {
  readonly #last = new Map<string, { packets: number; lost: number }>();

  /** The quality since the last call for this stream, or from its beginning. */
  judge(id: string, packets: number, lost: number): NetworkQuality {
    const before = this.#last.get(id) ?? { packets: 0, lost: 0 };
    this.#last.set(id, { packets, lost });
    // Counters of a replaced connection begin at zero again.
    const isNew = packets < before.packets || lost < before.lost;
    const passed = isNew ? packets : packets - before.packets;
    const missing = Math.max(0, isNew ? lost : lost - before.lost);
    return qualityOf(passed, missing);
  }
}

/**
 * The quality of a network.
 * @param packets Sent, or received.
 * @param lost Of those sent; or besides those received.
 */
export function qualityOf(packets: number, lost: number): NetworkQuality {
  if (packets <= 0) return NetworkQuality.DOWN;
  const share = lost / (packets + lost);
  return LOSS_MAX.find(one => share <= one.share)?.quality ?? NetworkQuality.DOWN;
}

/** An entry of a report: its members vary with type and browser. */
type Entry = { id: string; type: string; kind?: string; [name: string]: unknown };

function entriesOf(report: RTCStatsReport): Entry[] {
  const entries: Entry[] = [];
  report.forEach(entry => {
    entries.push(entry);
  });
  return entries;
}

/** Those of these members that an entry has as the wanted type. */
function pick<Names extends string>(entry: Entry | undefined, names: readonly Names[], type: string) {
  const found: Partial<Record<Names, never>> = {};
  for (const name of names) {
    const value = entry?.[name];
    if (typeof value === type) found[name] = value as never;
  }
  return found;
}

const COMMON_LOCAL = ["packetsSent", "bytesSent", "headerBytesSent", "retransmittedPacketsSent"] as const;
const MORE_LOCAL = ["retransmittedBytesSent", "totalPacketSendDelay", "nackCount"] as const;
const LOCAL_VIDEO = [
  ...["frameWidth", "frameHeight", "framesPerSecond", "framesEncoded", "framesSent", "hugeFramesSent"],
  ...["keyFramesEncoded", "firCount", "pliCount", "qualityLimitationResolutionChanges"],
];
const COMMON_REMOTE = [
  "packetsReceived",
  "packetsLost",
  "packetsDiscarded",
  "bytesReceived",
  "nackCount",
] as const;
const MORE_REMOTE = [
  ...["headerBytesReceived", "jitterBufferDelay", "jitterBufferTargetDelay", "jitterBufferMinimumDelay"],
  ...["jitterBufferEmittedCount"],
];
const REMOTE_AUDIO = [
  ...["audioLevel", "concealedSamples", "insertedSamplesForDeceleration", "removedSamplesForAcceleration"],
  ...["totalSamplesReceived"],
];
const REMOTE_VIDEO = [
  ...["frameWidth", "frameHeight", "framesPerSecond", "framesReceived", "framesDecoded", "framesDropped"],
  ...["keyFramesDecoded", "firCount", "pliCount", "freezeCount", "pauseCount", "totalFreezesDuration"],
  ...["totalPausesDuration"],
];

function mimeTypeOf(entries: Entry[], stream: Entry) {
  const codec = entries.find(entry => entry.id === stream.codecId);
  return pick(codec, ["mimeType"], "string");
}

/** Statistics of what is sent, from the report of an `RTCRtpSender`; `undefined` if it sends nothing. */
export function localStats(
  report: RTCStatsReport,
  type: StreamType,
  memory: QualityMemory,
): LocalVideoStats[] | LocalAudioStats[] | undefined {
  const entries = entriesOf(report);
  const streams = entries.filter(entry => entry.type === "outbound-rtp" && entry.kind === type);
  if (streams.length === 0) return undefined;
  return streams.map(stream => {
    // What the other side reports of this stream.
    const heard = entries.find(entry => entry.type === "remote-inbound-rtp" && entry.localId === stream.id);
    const packetsLost = typeof heard?.packetsLost === "number" ? heard.packetsLost : 0;
    const sent = typeof stream.packetsSent === "number" ? stream.packetsSent : 0;
    const common = {
      ...mimeTypeOf(entries, stream),
      ...pick(stream, COMMON_LOCAL, "number"),
      ...pick(stream, MORE_LOCAL, "number"),
      ...pick(heard, ["roundTripTime"], "number"),
      packetsLost,
      networkQuality: memory.judge(stream.id, Math.max(0, sent - packetsLost), packetsLost),
    };
    if (type === StreamType.AUDIO) return common;
    const durations = (stream.qualityLimitationDurations ?? {}) as Record<string, number>;
    return {
      ...common,
      ...pick(stream, ["rid", "qualityLimitationReason"], "string"),
      ...pick(stream, ["active"], "boolean"),
      ...pick(stream, LOCAL_VIDEO, "number"),
      qualityLimitationBandwidthDuration: durations.bandwidth,
      qualityLimitationCpuDuration: durations.cpu,
      qualityLimitationOtherDuration: durations.other,
    };
  });
}

/** Statistics of what is received, from the report of an `RTCRtpReceiver`; `undefined` if it receives nothing. */
export function remoteStats(
  report: RTCStatsReport,
  type: StreamType,
  memory: QualityMemory,
): RemoteVideoStats[] | RemoteAudioStats[] | undefined {
  const entries = entriesOf(report);
  const streams = entries.filter(entry => entry.type === "inbound-rtp" && entry.kind === type);
  if (streams.length === 0) return undefined;
  return streams.map(stream => {
    const received = typeof stream.packetsReceived === "number" ? stream.packetsReceived : 0;
    const lost = typeof stream.packetsLost === "number" ? stream.packetsLost : 0;
    return {
      ...mimeTypeOf(entries, stream),
      ...pick(stream, COMMON_REMOTE, "number"),
      ...pick(stream, MORE_REMOTE, "number"),
      ...pick(stream, type === StreamType.AUDIO ? REMOTE_AUDIO : REMOTE_VIDEO, "number"),
      networkQuality: memory.judge(stream.id, received, lost),
    };
  });
}
