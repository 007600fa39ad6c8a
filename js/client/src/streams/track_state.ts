/**
 * What belongs to a track and not to the object that wraps it. Applications make a new {@link LocalStageStream} whenever they are asked for
 * their streams, and call the methods of an older one.
 */

import type { Inserter } from "../sei/inserter.js";

/** Where statistics of a track come from. */
export interface StatsSource {
  getStats(): Promise<RTCStatsReport>;
}

export class TrackState {
  /** What sends the track, while it is published. */
  sender: StatsSource | undefined;
  /** What puts messages into its pictures, while it is published with `inBandMessaging`. */
  inserter: Inserter | undefined;

  readonly #track: MediaStreamTrack;
  readonly #onMute = new Set<() => void>();

  constructor(track: MediaStreamTrack) {
    this.#track = track;
  }

  get isMuted() {
    return !this.#track.enabled;
  }

  /** A muted track gives silence or black pictures. */
  setMuted(isMuted: boolean) {
    if (this.isMuted === isMuted) return;
    this.#track.enabled = !isMuted;
    for (const listener of [...this.#onMute]) listener();
  }

  /** Calls a listener whenever the track is muted or unmuted here, until the returned function is called. */
  watch(listener: () => void): () => void {
    this.#onMute.add(listener);
    return () => this.#onMute.delete(listener);
  }
}

const states = new WeakMap<MediaStreamTrack, TrackState>();

/** The one state of a track. */
export function stateOf(track: MediaStreamTrack): TrackState {
  const known = states.get(track) ?? new TrackState(track);
  states.set(track, known);
  return known;
}
