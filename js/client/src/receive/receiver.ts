/** What the two ways of receiving have in common: one connection for all participants, and one for each. */

import type { StageError } from "../connections/errors.js";
import type { StageEvents } from "../connections/listen.js";
import type { Arrival } from "../sei/worker.js";

/** How one remote participant is to be received. */
export interface ReceiveWant {
  id: string;
  media: "AUDIO_ONLY" | "AUDIO_VIDEO";
  /** 0 to 10. */
  priority: number;
  /** Whether the largest layer comes first. */
  isHighestFirst: boolean;
  /** Whether messages in the pictures are read. */
  readsMessages: boolean;
  /** A layer's rid, or its label. */
  preferredLayer?: string;
  /** Layers with more lines are not wanted. */
  maxHeight?: number;
}

/** A received track, and what receives it. The same track can be another participant's later, so whoever shows it copies it. */
export interface Received {
  track: MediaStreamTrack;
  receiver: RTCRtpReceiver;
}

export interface ReceivedTracks {
  audio?: Received;
  video?: Received;
}

/** What a receiver reports. */
export interface ReceiverHooks {
  /** Not there yet or lost (`attempting`), late (`errored`), or refused (`errored` and final). */
  onProgress(id: string, progress: "attempting" | "errored", error?: StageError, isFinal?: boolean): void;
  /** All tracks of a participant that are there now. The same tracks again mean that media flows again. */
  onTracks(id: string, tracks: ReceivedTracks): void;
  /** A message in its pictures. */
  onMessage(id: string, message: Arrival): void;
}

/** Receives participants. */
export interface Receiver {
  /** Receives these and no others. */
  set(wants: ReadonlyMap<string, ReceiveWant>): void;
  /** A message of the events socket. */
  take(type: string, payload: Record<string, unknown>): void;
  /** The events socket is open again. */
  opened(): void;
  /** Receives nothing any more. */
  close(): void;
}

/** What a receiver is made with. */
export interface ReceiverSetup {
  /** Of the stage. */
  events: StageEvents;
  hooks: ReceiverHooks;
  /** The present participant token. */
  token: () => string;
  /** Receives by a connection that several stages share. `undefined`: there is none. */
  shared?: (hooks: ReceiverHooks, onUnknown: () => void) => Receiver | undefined;
  /** Further headers of offers over HTTP. */
  headers?: Record<string, string>;
}

/** After this time without media the application is told that it is late. The service's SDK gives up then. */
export const OVERDUE_MS = 30_000;
