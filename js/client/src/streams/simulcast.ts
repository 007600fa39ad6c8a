/** What a published stream is encoded as: bitrates, frame rates, and the layers of simulcast. Pure. */

/** One layer of simulcast. */
export interface SimulcastLayer {
  width: number;
  height: number;
  maxBitrateKbps: number;
  maxFramerate: number;
}

export interface SimulcastConfiguration {
  enabled: boolean;
  /** At most three, largest first; absent or empty: by the size of the track, as {@link encodingsFor} describes. */
  layers?: SimulcastLayer[];
}

export interface StageVideoConfiguration {
  /** Kilobits per second; browsers offer no way to set it, so it is only kept. */
  minBitrate?: number;
  /** Kilobits per second. */
  maxBitrate?: number;
  /** The newer name of `minBitrate`. */
  minVideoBitrateKbps?: number;
  /** The newer name of `maxBitrate`. */
  maxVideoBitrateKbps?: number;
  /** Frames per second. */
  maxFramerate?: number;
  simulcast?: SimulcastConfiguration;
  /**
   * The only codec to send: H264, H265, VP8, VP9 or AV1; publishing fails with CODEC_MISMATCH where the browser cannot. If absent or empty, H264
   * is preferred and the server chooses. Not in the service's SDK, which sends H264 alone.
   */
  videoCodec?: string;
  /** Whether messages can be inserted into the pictures: {@link LocalStageStream.insertSeiMessage}. */
  inBandMessaging?: { enabled: boolean };
}

export interface StageAudioConfiguration {
  /** Kilobits per second. */
  maxAudioBitrateKbps?: number;
  stereo?: boolean;
}

/** A configuration in which nothing is left out. */
export type StageStreamConfiguration = Required<StageVideoConfiguration> & Required<StageAudioConfiguration>;

/** Layers with the rates of the service's web SDK ("Default Layers, Qualities, and Framerates"). */
export const SimulcastLayerPresets = {
  DEFAULT_720: { width: 1280, height: 720, maxBitrateKbps: 1700, maxFramerate: 30 },
  DEFAULT_360: { width: 640, height: 360, maxBitrateKbps: 700, maxFramerate: 20 },
  DEFAULT_180: { width: 320, height: 180, maxBitrateKbps: 200, maxFramerate: 15 },
} as const satisfies Record<string, SimulcastLayer>;

const LAYERS_MAX = 3;
/** With less for the largest layer, simulcast is left out: the layer below takes about as much. */
const SIMULCAST_KBPS_MIN = 900;
const DEFAULT_KBPS = 2500;
const DEFAULT_FRAMERATE = 30;
const DEFAULT_AUDIO_KBPS = 64;
/** Lines of the layers below the largest. */
const MID_LINES = 360;
const LOW_LINES = 180;
/** Pictures with no more lines than this are sent in one layer. */
const ONE_LAYER_LINES = 270;

/** Names of layers, by how many there are; smallest first. */
const RIDS = [[], ["hi"], ["low", "hi"], ["low", "mid", "hi"]];

/**
 * Fills in what a configuration leaves out.
 * @throws {RangeError} For a rate that is not a positive number, and for more than three layers.
 */
export function normalize(
  config: StageVideoConfiguration & StageAudioConfiguration,
): StageStreamConfiguration {
  const { simulcast = { enabled: false } } = config;
  const layers = simulcast.layers ?? [];
  if (layers.length > LAYERS_MAX) {
    throw new RangeError(`simulcast has at most ${LAYERS_MAX} layers, not ${layers.length}`);
  }
  for (const layer of layers) {
    for (const name of ["width", "height", "maxBitrateKbps", "maxFramerate"] as const) {
      positive(`simulcast.layers[].${name}`, layer[name]);
    }
  }
  const maxKbps = positive(
    "maxVideoBitrateKbps",
    config.maxVideoBitrateKbps ?? config.maxBitrate ?? DEFAULT_KBPS,
  );
  const minKbps = config.minVideoBitrateKbps ?? config.minBitrate ?? 0;
  return {
    minBitrate: minKbps,
    maxBitrate: maxKbps,
    minVideoBitrateKbps: minKbps,
    maxVideoBitrateKbps: maxKbps,
    maxFramerate: positive("maxFramerate", config.maxFramerate ?? DEFAULT_FRAMERATE),
    simulcast: { enabled: simulcast.enabled && maxKbps >= SIMULCAST_KBPS_MIN, layers },
    videoCodec: config.videoCodec ?? "",
    inBandMessaging: { enabled: config.inBandMessaging?.enabled ?? false },
    maxAudioBitrateKbps: positive("maxAudioBitrateKbps", config.maxAudioBitrateKbps ?? DEFAULT_AUDIO_KBPS),
    stereo: config.stereo ?? false,
  };
}

function positive(name: string, value: number): number {
  if (!Number.isFinite(value) || value <= 0)
    throw new RangeError(`${name} is a number above 0, not ${value}`);
  return value;
}

/**
 * The encodings of pictures of this size. With simulcast and no layers of the application's own: 720 lines and more in three layers (a half
 * and a quarter of the size), 271 to 719 lines in two (the smaller one with 180 lines), fewer in one. Smallest first, as browsers want them.
 * @param size Of the track; of what it will be if it is not known yet.
 */
export function encodingsFor(
  config: StageStreamConfiguration,
  size: { width?: number; height?: number },
): RTCRtpEncodingParameters[] {
  const { maxVideoBitrateKbps: maxKbps, maxFramerate, simulcast } = config;
  const largest = { maxBitrate: maxKbps * 1000, maxFramerate };
  const layers = simulcast.layers ?? [];
  if (!simulcast.enabled) return [largest];
  if (layers.length > 0) return named(ownLayers(layers, size));
  // A portrait picture has its lines across.
  const lines = Math.min(size.width ?? 1280, size.height ?? 720);
  const { DEFAULT_720, DEFAULT_360, DEFAULT_180 } = SimulcastLayerPresets;
  const top = {
    scaleResolutionDownBy: 1,
    maxBitrate: Math.min(maxKbps, DEFAULT_720.maxBitrateKbps) * 1000,
    maxFramerate,
  };
  const below = (layer: SimulcastLayer, scaleResolutionDownBy: number) => ({
    scaleResolutionDownBy,
    maxBitrate: layer.maxBitrateKbps * 1000,
    maxFramerate: Math.min(layer.maxFramerate, maxFramerate),
  });
  if (lines <= ONE_LAYER_LINES) return named([top]);
  if (lines < 2 * MID_LINES) return named([below(DEFAULT_180, lines / LOW_LINES), top]);
  return named([below(DEFAULT_180, 4), below(DEFAULT_360, 2), top]);
}

function ownLayers(layers: SimulcastLayer[], size: { width?: number; height?: number }) {
  const sorted = [...layers].sort((one, other) => one.height * one.width - other.height * other.width);
  const largest = sorted[sorted.length - 1];
  const lines = Math.min(size.width ?? largest.width, size.height ?? largest.height);
  return sorted.map(layer => ({
    scaleResolutionDownBy: Math.max(1, lines / Math.min(layer.width, layer.height)),
    maxBitrate: layer.maxBitrateKbps * 1000,
    maxFramerate: layer.maxFramerate,
  }));
}

function named(encodings: RTCRtpEncodingParameters[]): RTCRtpEncodingParameters[] {
  const rids = RIDS[encodings.length];
  if (encodings.length === 1) return encodings;
  return encodings.map((encoding, index) => ({ rid: rids[index], ...encoding }));
}

/**
 * A description with stereo wished for in all its Opus: what is sent, the other side's format parameters say, and what is decoded, the own ones
 * (RFC 7587 §6.1).
 */
export function withStereo(sdp: string): string {
  const payloads = new Set(
    [...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000\/2\r?$/gm)].map(([, payload]) => payload),
  );
  let wished = sdp;
  for (const payload of payloads) {
    const line = new RegExp(`^a=fmtp:${payload} ([^\\r\\n]*)`, "gm");
    if (line.test(wished)) {
      wished = wished.replace(line, (_, parameters: string) => {
        const kept = parameters.split(";").filter(one => !/^\s*stereo=/.test(one));
        return `a=fmtp:${payload} ${[...kept, "stereo=1"].join(";")}`;
      });
    } else {
      wished = wished.replace(
        new RegExp(`^a=rtpmap:${payload} [^\\r\\n]*`, "gm"),
        `$&\r\na=fmtp:${payload} stereo=1`,
      );
    }
  }
  return wished;
}
