// @ts-check
/** What a publisher sends: its codec, its layers, and which of these it leaves out because nobody wants them. */

import { StageError } from "./errors.js";

/**
 * @typedef {object} LayerWanted
 * @property {string} rid
 * @property {boolean} isWanted
 *
 * @typedef {object} LayersWanted The server's message: which layers of a publishing connection somebody wants.
 * @property {string} session The last part of the session's address.
 * @property {LayerWanted[]} layers
 */

/** Three layers, smallest first, with the rates and frame rates of the service's web SDK. */
const LAYERS = [
  { rid: "low", scaleResolutionDownBy: 4, maxBitrate: 200_000, maxFramerate: 15 },
  { rid: "mid", scaleResolutionDownBy: 2, maxBitrate: 700_000, maxFramerate: 20 },
  { rid: "hi", scaleResolutionDownBy: 1, maxBitrate: 1_700_000, maxFramerate: 30 },
];

/**
 * The encodings of a video track.
 * @param {{ simulcast?: boolean, maxBitrate?: number }} options
 * @returns {RTCRtpEncodingParameters[]}
 */
export function encodingsOf({ simulcast, maxBitrate }) {
  if (!simulcast) return maxBitrate ? [{ maxBitrate }] : [];
  const most = maxBitrate ?? Number.POSITIVE_INFINITY;
  return LAYERS.map(layer => ({ ...layer, maxBitrate: Math.min(layer.maxBitrate, most) }));
}

/**
 * The codecs of video that the browser sends.
 * @returns {RTCRtpCodec[]}
 */
const videoCodecs = () => RTCRtpSender.getCapabilities("video")?.codecs ?? [];

/**
 * Whether a codec is of this name.
 * @param {RTCRtpCodec} codec
 * @param {string} name
 */
const isNamed = ({ mimeType }, name) => mimeType.toLowerCase() === `video/${name}`.toLowerCase();

/**
 * Whether the browser can send video in this codec, such as H264.
 * @param {string} name
 */
export function canSend(name) {
  return videoCodecs().some(codec => isNamed(codec, name));
}

/**
 * Restricts the offer to this codec and its retransmission formats, because a server may prefer another codec.
 * @param {RTCRtpTransceiver} transceiver
 * @param {string} name
 * @throws {StageError} CODEC_MISMATCH, if the browser lacks it.
 */
export function restrict(transceiver, name) {
  if (!canSend(name)) {
    const message = `this browser cannot send video in ${name}`;
    throw new StageError(message, { code: "CODEC_MISMATCH", category: "PUBLISH_ERROR" });
  }
  transceiver.setCodecPreferences(
    videoCodecs().filter(codec => isNamed(codec, name) || isNamed(codec, "rtx")),
  );
}

/**
 * Puts redundant audio (RFC 2198) first in the offer: browsers send it only then.
 * @param {RTCRtpTransceiver} transceiver
 */
export function preferRedundancy(transceiver) {
  const codecs = RTCRtpSender.getCapabilities("audio")?.codecs ?? [];
  /** @param {RTCRtpCodec} codec */
  const isRedundant = codec => codec.mimeType.toLowerCase() === "audio/red";
  if (!codecs.some(isRedundant)) return;
  transceiver.setCodecPreferences([
    ...codecs.filter(isRedundant),
    ...codecs.filter(codec => !isRedundant(codec)),
  ]);
}

/**
 * Reads the payload of a PUBLISH_LAYERS_WANTED; `undefined` if it is not one.
 * @param {any} payload
 * @returns {LayersWanted | undefined}
 */
export function readLayers(payload) {
  if (typeof payload.session !== "string" || !Array.isArray(payload.layers)) return undefined;
  const layers = payload.layers
    .filter((/** @type {any} */ layer) => typeof layer?.rid === "string")
    .map((/** @type {any} */ { rid, isWanted }) => ({ rid, isWanted: isWanted !== false }));
  return { session: payload.session, layers };
}

/** Sets which layers a connection sends, one change after the other: a browser refuses parameters that are out of date. */
export class LayerSwitch {
  #connection;
  /** @type {LayerWanted[] | undefined} */
  #next;
  #isBusy = false;

  /** @param {RTCPeerConnection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /** @param {LayerWanted[]} layers Replaces those that have not been set yet. */
  async set(layers) {
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

/**
 * @param {RTCRtpSender} sender
 * @param {Map<string | undefined, boolean>} wanted
 */
async function apply(sender, wanted) {
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
