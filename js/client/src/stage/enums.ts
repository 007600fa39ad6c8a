/** The enumerations of the Amazon IVS web SDK, by the names and values of its public reference. */

/** What of a remote participant is wanted. */
export enum SubscribeType {
  NONE = "none",
  AUDIO_ONLY = "audio_only",
  AUDIO_VIDEO = "audio_video",
}

export enum StreamType {
  AUDIO = "audio",
  VIDEO = "video",
}

/** What a {@link Stage} emits; {@link StageEventMap} has what listeners are given. */
export enum StageEvents {
  STAGE_CONNECTION_STATE_CHANGED = "stageConnectionStateChanged",
  /** The stage was left; why is a {@link StageLeftReason}. */
  STAGE_LEFT = "stageLeft",
  /** A participant publishes who did not before, or the local participant has joined. */
  STAGE_PARTICIPANT_JOINED = "stageParticipantJoined",
  STAGE_PARTICIPANT_LEFT = "stageParticipantLeft",
  /** A participant's token was exchanged: its attributes or user id changed. */
  STAGE_PARTICIPANT_METADATA_CHANGED = "stageParticipantMetadataChanged",
  STAGE_PARTICIPANT_PUBLISH_STATE_CHANGED = "stageParticipantPublishStateChanged",
  STAGE_PARTICIPANT_SUBSCRIBE_STATE_CHANGED = "stageParticipantSubscribeStateChanged",
  STAGE_PARTICIPANT_STREAMS_ADDED = "stageParticipantStreamsAdded",
  STAGE_PARTICIPANT_STREAMS_REMOVED = "stageParticipantStreamsRemoved",
  STAGE_STREAM_ADAPTION_CHANGED = "stageStreamAdaptionChanged",
  STAGE_STREAM_LAYERS_CHANGED = "stageStreamLayersChanged",
  STAGE_STREAM_LAYER_SELECTED = "stageStreamLayerSelected",
  STAGE_STREAM_MUTE_CHANGED = "stageStreamMuteChanged",
  STAGE_STREAM_SEI_MESSAGE_RECEIVED = "stageStreamSeiMessageReceived",
  ERROR = "error",
}

export enum StageConnectionState {
  DISCONNECTED = "disconnected",
  CONNECTING = "connecting",
  CONNECTED = "connected",
  /** The connection has been lost for 30 seconds. The client goes on trying; wait for CONNECTED. */
  ERRORED = "errored",
}

export enum StageParticipantPublishState {
  NOT_PUBLISHED = "not_published",
  ATTEMPTING_PUBLISH = "attempting_publish",
  PUBLISHED = "published",
  /** Refused, or lost for 30 seconds. In the second case the client goes on trying. */
  ERRORED = "errored",
}

export enum StageParticipantSubscribeState {
  NOT_SUBSCRIBED = "not_subscribed",
  ATTEMPTING_SUBSCRIBE = "attempting_subscribe",
  SUBSCRIBED = "subscribed",
  /** Refused, or without media for 30 seconds. In the second case the client goes on trying. */
  ERRORED = "errored",
}

/** What can be done: publish with the local participant, subscribe to a remote one. */
export enum StageParticipantCapabilities {
  PUBLISH = "publish",
  SUBSCRIBE = "subscribe",
}

/** Why a stage was left. */
export enum StageLeftReason {
  USER_INITIATED = "user-initiated",
  PARTICIPANT_DISCONNECTED = "participant-disconnected",
  STAGE_DELETED = "stage-deleted",
  /** Another connection with this token took the place. The client does not fight for it. */
  TOKEN_REUSED = "token-reused",
  /** The service's SDK leaves with it when a token exchange fails; this client stays, and only rejects the exchange. */
  FAILED_EXCHANGE = "failed-exchange",
  REAL_TIME_CONNECTION_FORCED_LEAVE = "real-time-connection-forced-leave",
  REAL_TIME_CONNECTION_TOKEN_REVOCATION = "real-time-connection-token-revocation",
  UNKNOWN = "unknown",
}

/** The least time for which received media waits, so that what is late or lost can still come. */
export enum JitterBufferMinDelay {
  DEFAULT = "default",
  LOW = "low",
  MEDIUM = "medium",
  HIGH = "high",
}

export enum InitialLayerPreference {
  LOWEST_QUALITY = "lowest_quality",
  HIGHEST_QUALITY = "highest_quality",
}

/** Why a layer is shown. */
export enum StageStreamLayerSelectedReason {
  SELECTED = "selected",
  /** The preferred one cannot be shown; the nearest that can is. */
  UNAVAILABLE = "unavailable",
}

/** What a {@link RemoteStageStream} emits itself. */
export enum RemoteStageStreamEvents {
  ADAPTION_CHANGED = "ADAPTION_CHANGED",
  LAYERS_CHANGED = "LAYERS_CHANGED",
  LAYER_SELECTED = "LAYER_SELECTED",
}

/** From the share of packets that are lost. */
export enum NetworkQuality {
  DOWN = 0,
  POOR = 1,
  NORMAL = 2,
  GOOD = 3,
  EXCELLENT = 4,
}
