/** Statistics of a connection at this moment, from the browser's own counters. */

export interface MediaStats {
  /** Of the video, in pixels; 0 before the first frame. */
  width: number;
  height: number;
  framesPerSecond: number;
  /** Decoded (receiving) or encoded (sending) since the start. */
  frames: number;
  /** For example `H264`; empty before the first frame. */
  videoCodec: string;
  /** 0 to 1, measured, or as the sender reports it while the element is muted. */
  audioLevel: number;
  /** Grows while there is sound and the element is not muted. */
  audioEnergy: number;
  /** Audio and video together, since the last reading. */
  bitsPerSecond: number;
  packetsLost: number;
  /** Round trip time of the path; 0 before it is known. */
  roundTripMs: number;
  srtpCipher: string;
}

/** Reads a connection's statistics and stores what is needed to compute rates. */
export class StatsReader {
  #bytes = 0;
  #atMs = 0;

  async read(connection: RTCPeerConnection): Promise<MediaStats> {
    const report = await connection.getStats();
    const stats: MediaStats = {
      width: 0,
      height: 0,
      framesPerSecond: 0,
      frames: 0,
      videoCodec: "",
      audioLevel: 0,
      audioEnergy: 0,
      bitsPerSecond: 0,
      packetsLost: 0,
      roundTripMs: 0,
      srtpCipher: "",
    };
    let bytes = 0;
    for (const entry of report.values()) {
      if (entry.type === "inbound-rtp" || entry.type === "outbound-rtp") {
        bytes += entry.bytesReceived ?? entry.bytesSent ?? 0;
        if (entry.kind === "video") takeVideo(stats, entry, report);
        else takeAudio(stats, entry);
      } else if (entry.type === "media-source" && entry.kind === "audio") {
        takeAudio(stats, entry);
      } else if (entry.type === "transport") {
        stats.srtpCipher = entry.srtpCipher ?? "";
        const pair = report.get(entry.selectedCandidatePairId);
        stats.roundTripMs = (pair?.currentRoundTripTime ?? 0) * 1000;
      }
    }
    stats.bitsPerSecond = this.#rate(bytes);
    if (stats.audioLevel === 0) stats.audioLevel = announcedLevel(connection);
    return stats;
  }

  #rate(bytes: number) {
    const nowMs = performance.now();
    const elapsedMs = nowMs - this.#atMs;
    // The counters of a replaced connection start from zero again.
    const grown = Math.max(0, bytes - this.#bytes);
    const isFirst = this.#atMs === 0;
    this.#bytes = bytes;
    this.#atMs = nowMs;
    return isFirst || elapsedMs <= 0 ? 0 : (grown * 8000) / elapsedMs;
  }
}

/** The level that the sender reports (RFC 6464). Browsers do not decode muted audio, so they do not measure it. */
function announcedLevel(connection: RTCPeerConnection) {
  const sources = connection.getReceivers().flatMap(receiver => receiver.getSynchronizationSources());
  return Math.max(0, ...sources.map(source => source.audioLevel ?? 0));
}

/** What is read of the browser's statistics about one stream. */
interface Entry {
  frameWidth?: number;
  frameHeight?: number;
  framesPerSecond?: number;
  framesDecoded?: number;
  framesEncoded?: number;
  packetsLost?: number;
  audioLevel?: number;
  totalAudioEnergy?: number;
  codecId?: string;
}

function takeVideo(stats: MediaStats, entry: Entry, report: RTCStatsReport) {
  stats.width = entry.frameWidth ?? 0;
  stats.height = entry.frameHeight ?? 0;
  stats.framesPerSecond = entry.framesPerSecond ?? 0;
  stats.frames = entry.framesDecoded ?? entry.framesEncoded ?? 0;
  stats.packetsLost += entry.packetsLost ?? 0;
  const codec = report.get(entry.codecId ?? "");
  if (codec) stats.videoCodec = codec.mimeType.split("/")[1];
}

function takeAudio(stats: MediaStats, entry: Entry) {
  stats.audioLevel = entry.audioLevel ?? stats.audioLevel;
  stats.audioEnergy = entry.totalAudioEnergy ?? stats.audioEnergy;
  stats.packetsLost += entry.packetsLost ?? 0;
}
