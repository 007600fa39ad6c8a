/** What local and remote streams have in common. */

import type { StreamType } from "../stage/enums.js";
import type { QualityStats } from "./quality.js";

/** One track of a participant. */
export interface StageStream {
  /** Of the track. */
  readonly id: string;
  readonly streamType: StreamType;
  readonly mediaStreamTrack: MediaStreamTrack;
  readonly isMuted: boolean;
  /** What the browser counts of the stream; nothing while it is not sent or received. */
  requestRTCStats(): Promise<RTCStatsReport | undefined>;
  /** The same, chosen and named as in the service's SDK: one entry for each layer that is sent, or one entry. */
  requestQualityStats(): Promise<QualityStats[] | undefined>;
  /** @deprecated The former name of `requestRTCStats`. */
  getStats(): Promise<RTCStatsReport | undefined>;
}
