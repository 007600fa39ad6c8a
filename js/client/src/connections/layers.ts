/** What a publisher sends: its codec, its layers, and which of these it leaves out because nobody wants them. */

import { StageError } from "./errors.js";

export interface LayerWanted {
  rid: string;
  isWanted: boolean;
}

/** The server's message: which layers of a publishing connection somebody wants. */
export interface LayersWanted {
  /** The last part of the session's address. */
  session: string;
  layers: LayerWanted[];
}

/** Three layers, smallest first, with the rates and frame rates of the service's web SDK. */
const LAYERS = [
  { rid: "low", scaleResolutionDownBy: 4, maxBitrate: 200_000, maxFramerate: 15 },
  { rid: "mid", scaleResolutionDownBy: 2, maxBitrate: 700_000, maxFramerate: 20 },
  { rid: "hi", scaleResolutionDownBy: 1, maxBitrate: 1_700_000, maxFramerate: 30 },
];

/** The encodings of a video track. */
export function encodingsOf({
  simulcast,
  maxBitrate,
}: {
  simulcast?: boolean;
  maxBitrate?: number;
}): RTCRtpEncodingParameters[] {
  if (!simulcast) return maxBitrate ? [{ maxBitrate }] : [];
  const most = maxBitrate ?? Number.POSITIVE_INFINITY;
  return LAYERS.map(layer => ({ ...layer, maxBitrate: Math.min(layer.maxBitrate, most) }));
}

/** The codecs of video that the browser sends. */
const videoCodecs = (): RTCRtpCodec[] => RTCRtpSender.getCapabilities("video")?.codecs ?? [];

/** Whether a codec is of this name. */
const isNamed = ({ mimeType }: RTCRtpCodec, name: string) =>
  mimeType.toLowerCase() === `video/${name}`.toLowerCase();

/** Whether the browser can send video in this codec, such as H264. */
export function canSend(name: string) {
  return videoCodecs().some(codec => isNamed(codec, name));
}

/**
 * Restricts the offer to this codec and its retransmission formats, because a server may prefer another codec.
 * @throws {StageError} CODEC_MISMATCH, if the browser lacks it.
 */
export function restrict(transceiver: RTCRtpTransceiver, name: string) {
  if (!canSend(name)) {
    const message = `this browser cannot send video in ${name}`;
    throw new StageError(message, { code: "CODEC_MISMATCH", category: "PUBLISH_ERROR" });
  }
  transceiver.setCodecPreferences(
    videoCodecs().filter(codec => isNamed(codec, name) || isNamed(codec, "rtx")),
  );
}

/** Puts redundant audio (RFC 2198) first in the offer: browsers send it only then. */
export function preferRedundancy(transceiver: RTCRtpTransceiver) {
  const codecs = RTCRtpSender.getCapabilities("audio")?.codecs ?? [];
  const isRedundant = (codec: RTCRtpCodec) => codec.mimeType.toLowerCase() === "audio/red";
  if (!codecs.some(isRedundant)) return;
  transceiver.setCodecPreferences([
    ...codecs.filter(isRedundant),
    ...codecs.filter(codec => !isRedundant(codec)),
  ]);
}

/** Reads the payload of a PUBLISH_LAYERS_WANTED; `undefined` if it is not one. */
export function readLayers(payload: Record<string, unknown>): LayersWanted | undefined {
  if (typeof payload.session !== "string" || !Array.isArray(payload.layers)) return undefined;
  const layers = payload.layers
    .filter((layer): layer is LayerWanted => typeof layer?.rid === "string")
    .map(({ rid, isWanted }) => ({ rid, isWanted: isWanted !== false }));
  return { session: payload.session, layers };
}

/** Sets which layers a connection sends, one change after the other: a browser refuses parameters that are out of date. */
export class LayerSwitch {
  readonly #connection: RTCPeerConnection;
  #next: LayerWanted[] | undefined;
  #isBusy = false;

  constructor(connection: RTCPeerConnection) {
    this.#connection = connection;
  }

  /** @param layers Replaces those that have not been set yet. */
  async set(layers: LayerWanted[]) {
    this.#next = layers;
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#next) {
      const wanted = new Map(this.#next.map(({ rid, isWanted }) => [rid, isWanted]));
      this.#next = undefined;
      for (const sender of this.#connection.getSenders()) await apply(sender, wanted);
    }
    this.#isBusy = false;
  }
}

async function apply(sender: RTCRtpSender, wanted: Map<string | undefined, boolean>) {
  const parameters = sender.getParameters();
  let isChanged = false;
  for (const encoding of parameters.encodings ?? []) {
    const isWanted = wanted.get(encoding.rid);
    if (isWanted === undefined || encoding.active === isWanted) continue;
    encoding.active = isWanted;
    isChanged = true;
  }
  // A connection that is just ending refuses; a new one begins with all layers.
  if (isChanged) await sender.setParameters(parameters).catch(() => {});
}
