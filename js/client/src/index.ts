/**
 * Publishes to the stages of a restage server and watches them, in the shape of the Amazon IVS web SDK.
 *
 * {@link Stage} is the beginning. `@restage/client/connections` has single connections without strategy.
 */

export { type Emitter, type EventArguments, TypedEmitter } from "./stage/emitter.js";
export {
  InitialLayerPreference,
  JitterBufferMinDelay,
  NetworkQuality,
  RemoteStageStreamEvents,
  StageConnectionState,
  StageEvents,
  StageLeftReason,
  StageParticipantCapabilities,
  StageParticipantPublishState,
  StageParticipantSubscribeState,
  StageStreamLayerSelectedReason,
  StreamType,
  SubscribeType,
} from "./stage/enums.js";
export {
  RealTimeConnectionError,
  RealTimeConnectionErrorCode,
  StageError,
  StageErrorCategory,
  StageErrorCode,
} from "./stage/errors.js";
export type { StageEventMap, StageStreamSeiMessage } from "./stage/events.js";
export type { StageParticipantInfo } from "./stage/participant.js";
export {
  RealTimeConnection,
  type RealTimeConnectionEventMap,
  RealTimeConnectionState,
} from "./stage/real_time_connection.js";
export { Stage, type StageConfiguration } from "./stage/stage.js";
export type {
  InBandMessagingSubscribeConfiguration,
  JitterBufferConfiguration,
  SimulcastSubscribeConfiguration,
  StageStrategy,
  SubscribeConfiguration,
} from "./stage/strategy.js";
export { type InsertSeiMessageOptions, LocalStageStream } from "./streams/local_stream.js";
export type {
  LocalAudioStats,
  LocalVideoStats,
  QualityStats,
  RemoteAudioStats,
  RemoteVideoStats,
} from "./streams/quality.js";
export {
  RemoteStageStream,
  type RemoteStageStreamEventMap,
  type StageStreamLayer,
} from "./streams/remote_stream.js";
export {
  type SimulcastConfiguration,
  type SimulcastLayer,
  SimulcastLayerPresets,
  type StageAudioConfiguration,
  type StageStreamConfiguration,
  type StageVideoConfiguration,
} from "./streams/simulcast.js";
export type { StageStream } from "./streams/stream.js";
export { __version } from "./version.js";
