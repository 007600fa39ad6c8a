/** A stream of a remote participant. */

import { TypedEmitter } from "../stage/emitter.js";
import { RemoteStageStreamEvents, type StageStreamLayerSelectedReason, StreamType } from "../stage/enums.js";
import { QualityMemory, type RemoteAudioStats, type RemoteVideoStats, remoteStats } from "./quality.js";
import { SizeWatch } from "./size.js";
import type { StageStream } from "./stream.js";
import type { StatsSource } from "./track_state.js";

/** One of the qualities in which a publisher sends its pictures. */
export interface StageStreamLayer {
  /** `hi`, `mid` or `low`; more layers than three share `mid`. */
  readonly label: string;
  /** The publisher's own name of the layer, empty if it has none. Not in the service's SDK. */
  readonly rid: string;
  readonly width: number;
  readonly height: number;
  /** The rate when the layers were told, in bits per second. */
  readonly bitrateBps: number;
  /** Pictures a second when the layers were told. */
  readonly framesPerSecond: number;
  /** Whether it is shown. */
  readonly selected: boolean;
}

export interface RemoteStageStreamEventMap {
  [RemoteStageStreamEvents.ADAPTION_CHANGED]: boolean;
  [RemoteStageStreamEvents.LAYERS_CHANGED]: [layers: StageStreamLayer[]];
  [RemoteStageStreamEvents.LAYER_SELECTED]: [
    layer: StageStreamLayer | undefined,
    reason: StageStreamLayerSelectedReason,
  ];
}

/** What the server says of a stream's layers, as far as it changed. */
export interface LayerNews {
  layers?: StageStreamLayer[];
  selection?: { layer: StageStreamLayer | undefined; reason: StageStreamLayerSelectedReason };
  isAdapting?: boolean;
}

/** Received pictures or sound of one participant. */
export class RemoteStageStream extends TypedEmitter<RemoteStageStreamEventMap> implements StageStream {
  readonly id: string;
  readonly streamType: StreamType;
  /** Ends when the stream is removed. */
  readonly mediaStreamTrack: MediaStreamTrack;

  readonly #source: StatsSource;
  readonly #memory = new QualityMemory();
  readonly #size: SizeWatch;
  readonly #onSilenced: () => void;
  /** What takes it out of each element. */
  readonly #attached = new Set<() => void>();
  #isRemotelyMuted = false;
  #isAdapting = true;
  #layers: StageStreamLayer[] = [];
  #selected: StageStreamLayer | undefined;

  /**
   * Streams come with {@link StageEvents.STAGE_PARTICIPANT_STREAMS_ADDED}.
   * @internal
   */
  constructor(
    track: MediaStreamTrack,
    source: StatsSource,
    hooks: { onHeight: (lines: number | undefined) => void; onMuted: () => void },
  ) {
    super();
    this.id = track.id;
    this.streamType = track.kind === "audio" ? StreamType.AUDIO : StreamType.VIDEO;
    this.mediaStreamTrack = track;
    this.#source = source;
    this.#size = new SizeWatch(hooks.onHeight);
    this.#onSilenced = hooks.onMuted;
  }

  /** Whether the publisher has muted it, nothing of it has come for 3 seconds, or it is muted here. */
  get isMuted() {
    return this.#isRemotelyMuted || !this.mediaStreamTrack.enabled;
  }

  /** Mutes it for this page only. */
  setMuted(isMuted: boolean) {
    if (this.mediaStreamTrack.enabled === !isMuted) return;
    this.mediaStreamTrack.enabled = !isMuted;
    this.#onSilenced();
  }

  /** Whether the server chooses the layer: false while `preferredLayerForStream` names one. */
  get isAdapting() {
    return this.#isAdapting;
  }

  /** All layers, smallest first; none of a stream of sound, or before the server has told them. */
  getLayers(): StageStreamLayer[] {
    return [...this.#layers];
  }

  getSelectedLayer(): StageStreamLayer | undefined {
    return this.#selected;
  }

  getLowestQualityLayer(): StageStreamLayer | undefined {
    return this.#layers[0];
  }

  getHighestQualityLayer(): StageStreamLayer | undefined {
    return this.#layers.at(-1);
  }

  /**
   * Lets the size of a video element decide how large the pictures need to be: the server sends no layer with more lines than the element
   * shows on this screen, and the smallest while the element shows nothing. Of several elements the largest counts.
   * `preferredLayerForStream` overrules it. Does nothing for sound.
   * @returns Ends it for this element.
   */
  adaptTo(element: HTMLVideoElement): () => void {
    return this.streamType === StreamType.VIDEO ? this.#size.add(element) : () => {};
  }

  /**
   * Plays the stream in a video or audio element, beside what is played there of other streams, and follows the element's size ({@link adaptTo}).
   * @returns Takes the stream out of the element again, which happens by itself when the stream is removed.
   */
  attach(element: HTMLMediaElement): () => void {
    const track = this.mediaStreamTrack;
    const others = playedBy(element)?.getTracks() ?? [];
    // Firefox does not show pictures that are added to a stream that plays already.
    element.srcObject = new MediaStream([...others.filter(one => one !== track), track]);
    // Refused where the user has not touched the page and the element is not muted; the element then shows its own button, if it has any.
    element.play().catch(() => {});
    const unadapt = element instanceof HTMLVideoElement ? this.adaptTo(element) : () => {};
    const detach = () => {
      if (!this.#attached.delete(detach)) return;
      unadapt();
      const played = playedBy(element);
      played?.removeTrack(track);
      if (played?.getTracks().length === 0) element.srcObject = null;
    };
    this.#attached.add(detach);
    return detach;
  }

  async requestRTCStats() {
    return this.mediaStreamTrack.readyState === "ended" ? undefined : this.#source.getStats();
  }

  async requestQualityStats(): Promise<RemoteVideoStats[] | RemoteAudioStats[] | undefined> {
    const report = await this.requestRTCStats();
    return report && remoteStats(report, this.streamType, this.#memory);
  }

  /** @deprecated The former name of `requestRTCStats`. */
  getStats() {
    return this.requestRTCStats();
  }

  /** Kept for applications that call it; what is held goes when the stream is removed. */
  cleanup() {}

  /**
   * Whether that changed what `isMuted` says.
   * @internal
   */
  takeMuted(isMuted: boolean): boolean {
    const before = this.isMuted;
    this.#isRemotelyMuted = isMuted;
    return before !== this.isMuted;
  }

  /** @internal */
  takeLayers(news: LayerNews) {
    if (news.layers) {
      this.#layers = news.layers;
      this.emit(RemoteStageStreamEvents.LAYERS_CHANGED, this.getLayers());
    }
    if (news.selection) {
      this.#selected = news.selection.layer;
      this.emit(RemoteStageStreamEvents.LAYER_SELECTED, news.selection.layer, news.selection.reason);
    }
    if (news.isAdapting !== undefined && news.isAdapting !== this.#isAdapting) {
      this.#isAdapting = news.isAdapting;
      this.emit(RemoteStageStreamEvents.ADAPTION_CHANGED, news.isAdapting);
    }
  }

  /**
   * Ends the track, so that nothing of the next participant on the same part of the connection is seen.
   * @internal
   */
  end() {
    for (const detach of [...this.#attached]) detach();
    this.#size.stop();
    this.mediaStreamTrack.stop();
  }
}

/** The stream of its own that an element plays. */
function playedBy(element: HTMLMediaElement): MediaStream | undefined {
  return element.srcObject instanceof MediaStream ? element.srcObject : undefined;
}

/** Reads the layers of a message of the server; what cannot be read is left out. */
export function readStageLayers(layers: unknown): StageStreamLayer[] {
  return Array.isArray(layers) ? layers.flatMap(layer => readStageLayer(layer) ?? []) : [];
}

/** Reads one layer; `undefined` if it is none. */
export function readStageLayer(layer: unknown): StageStreamLayer | undefined {
  const { label, rid, width, height, bitrate, framesPerSecond, selected } = (layer ?? {}) as Record<
    string,
    unknown
  >;
  if (typeof label !== "string") return undefined;
  const number = (value: unknown) => (typeof value === "number" ? value : 0);
  return {
    label,
    rid: typeof rid === "string" ? rid : "",
    width: number(width),
    height: number(height),
    bitrateBps: number(bitrate),
    framesPerSecond: number(framesPerSecond),
    selected: selected === true,
  };
}
