/** A stream to be published. */

import { StreamType } from "../stage/enums.js";
import { type LocalAudioStats, type LocalVideoStats, localStats, QualityMemory } from "./quality.js";
import {
  normalize,
  type StageAudioConfiguration,
  type StageStreamConfiguration,
  type StageVideoConfiguration,
} from "./simulcast.js";
import type { StageStream } from "./stream.js";
import { stateOf, type TrackState } from "./track_state.js";

export interface InsertSeiMessageOptions {
  /** How many further pictures repeat the message: 0 to 30. Each has the same uuid, by which receivers tell repetitions apart. */
  repeatCount?: number;
}

/**
 * A track and how it is published. Mute is the track's: all objects that wrap one track agree, and it stays after the stage was left.
 */
export class LocalStageStream implements StageStream {
  readonly id: string;
  readonly streamType: StreamType;
  readonly mediaStreamTrack: MediaStreamTrack;
  /** The configuration with what it leaves out. */
  readonly mediaConfig: StageStreamConfiguration;

  readonly #state: TrackState;
  readonly #memory = new QualityMemory();

  /**
   * @throws {TypeError} For what is no track.
   * @throws {RangeError} For a rate that is not a positive number, and for more than three layers.
   */
  constructor(track: MediaStreamTrack, config: StageVideoConfiguration | StageAudioConfiguration = {}) {
    if (track?.kind !== "audio" && track?.kind !== "video") {
      throw new TypeError("a LocalStageStream is made of a MediaStreamTrack of sound or pictures");
    }
    this.id = track.id;
    this.streamType = track.kind === "audio" ? StreamType.AUDIO : StreamType.VIDEO;
    this.mediaStreamTrack = track;
    this.mediaConfig = normalize(config);
    this.#state = stateOf(track);
  }

  get isMuted() {
    return this.#state.isMuted;
  }

  /** Sends silence or black pictures at once, and tells everybody who watches; or the opposite. */
  setMuted(isMuted: boolean) {
    this.#state.setMuted(isMuted);
  }

  /**
   * Puts a message into the next pictures that are sent, as SEI of the type user_data_unregistered (H.264 §D.1.7). Messages can get lost,
   * and reach nobody while the stream is not H.264.
   * @param payload More than 0 and less than 1024 bytes; at most 10 KB a second, repetitions included.
   * @returns When it has been handed to the encoder's output.
   * @throws {RangeError} (rejects) For a payload or `repeatCount` out of bounds, or when there were too many bytes.
   * @throws {TypeError} (rejects) For a stream of sound, or one without `inBandMessaging`.
   * @throws {DOMException} NotSupportedError (rejects) in a browser without encoded transforms; InvalidStateError while it is not published.
   */
  async insertSeiMessage(payload: ArrayBuffer, options: InsertSeiMessageOptions = {}): Promise<void> {
    if (this.streamType === StreamType.AUDIO)
      throw new TypeError("messages go into pictures, not into sound");
    if (!this.mediaConfig.inBandMessaging.enabled) {
      throw new TypeError("the stream was made without inBandMessaging: { enabled: true }");
    }
    if (typeof globalThis.RTCRtpScriptTransform !== "function") {
      throw new DOMException("this browser has no encoded transforms", "NotSupportedError");
    }
    const { inserter } = this.#state;
    if (!inserter) throw new DOMException("the stream is not published", "InvalidStateError");
    await inserter.insert(payload, options.repeatCount ?? 0);
  }

  async requestRTCStats() {
    return this.#state.sender?.getStats();
  }

  async requestQualityStats(): Promise<LocalVideoStats[] | LocalAudioStats[] | undefined> {
    const report = await this.requestRTCStats();
    return report && localStats(report, this.streamType, this.#memory);
  }

  /** @deprecated The former name of `requestRTCStats`. */
  getStats() {
    return this.requestRTCStats();
  }

  /** Kept for applications that call it; nothing is held. */
  cleanup() {}
}
