/** The tracks of one receiving connection: which participant's they are now. */

import type { Received, ReceivedTracks } from "./receiver.js";
import type { StreamPlace } from "./sdp.js";

type Kind = "audio" | "video";

/** One track that is there, or will be once its first picture is. */
interface Shown extends Received {
  mid: string;
  isReady: boolean;
}

type Places = Partial<Record<Kind, Shown>>;

/**
 * Follows the media sections of a connection. A section that a participant leaves is given to another one, with the same receiver and the same
 * track.
 */
export class TrackPlaces {
  readonly #connection: RTCPeerConnection;
  readonly #onChange: (id: string, tracks: ReceivedTracks) => void;
  readonly #participants = new Map<string, Places>();

  constructor(connection: RTCPeerConnection, onChange: (id: string, tracks: ReceivedTracks) => void) {
    this.#connection = connection;
    this.#onChange = onChange;
  }

  /** The participants that have a place. */
  get ids() {
    return [...this.#participants.keys()];
  }

  /** The receiver of a participant's pictures. */
  videoReceiver(id: string): RTCRtpReceiver | undefined {
    return this.#participants.get(id)?.video?.receiver;
  }

  /** Takes what an offer says, after the browser was given it. */
  apply(streams: StreamPlace[]) {
    const receivers = new Map(this.#connection.getTransceivers().map(one => [one.mid, one.receiver]));
    const left = new Set(this.#participants.keys());
    for (const { id, audioMid, videoMid } of streams) {
      left.delete(id);
      const places = this.#participants.get(id) ?? {};
      this.#participants.set(id, places);
      const isAudioOther = this.#place(id, places, "audio", audioMid, receivers);
      const isVideoOther = this.#place(id, places, "video", videoMid, receivers);
      if (isAudioOther || isVideoOther) this.#tell(id);
    }
    for (const id of left) this.#drop(id);
  }

  /** Tells again what is there, because media flows again. */
  tellAll() {
    for (const id of this.#participants.keys()) this.#tell(id);
  }

  /** Tells again what is there of one participant, because more of it is wanted. */
  tellAgain(id: string) {
    if (this.#participants.has(id)) this.#tell(id);
  }

  /** Nothing of the connection is left. */
  clear() {
    for (const id of [...this.#participants.keys()]) this.#drop(id);
  }

  #place(
    id: string,
    places: Places,
    kind: Kind,
    mid: string | undefined,
    receivers: Map<string | null, RTCRtpReceiver>,
  ): boolean {
    if (places[kind]?.mid === mid) return false;
    const receiver = mid === undefined ? undefined : receivers.get(mid);
    if (mid === undefined || !receiver) {
      const had = places[kind] !== undefined;
      delete places[kind];
      return had;
    }
    // Chromium plays no sound of an element whose pictures have not begun.
    const isReady = kind === "audio" || !receiver.track.muted;
    const shown: Shown = { mid, receiver, isReady, track: receiver.track };
    places[kind] = shown;
    if (!isReady) receiver.track.addEventListener("unmute", () => this.#onPicture(id, shown), { once: true });
    return true;
  }

  #onPicture(id: string, shown: Shown) {
    if (this.#participants.get(id)?.video !== shown) return;
    shown.isReady = true;
    this.#tell(id);
  }

  #drop(id: string) {
    this.#participants.delete(id);
    this.#onChange(id, {});
  }

  #tell(id: string) {
    const { audio, video } = this.#participants.get(id) ?? {};
    this.#onChange(id, {
      ...(audio?.isReady && { audio: { track: audio.track, receiver: audio.receiver } }),
      ...(video?.isReady && { video: { track: video.track, receiver: video.receiver } }),
    });
  }
}
