/** What listeners of a stage are given. */

import type { RemoteStageStream, StageStreamLayer } from "../streams/remote_stream.js";
import type { StageStream } from "../streams/stream.js";
import type {
  StageConnectionState,
  StageEvents,
  StageLeftReason,
  StageParticipantPublishState,
  StageParticipantSubscribeState,
  StageStreamLayerSelectedReason,
} from "./enums.js";
import type { StageError } from "./errors.js";
import type { StageParticipantInfo } from "./participant.js";

/** A message that was in a picture. */
export interface StageStreamSeiMessage {
  payload: ArrayBuffer;
  /** The same for all repetitions of a message, as text of 36 characters. */
  uuid: string;
}

export interface StageEventMap {
  [StageEvents.STAGE_CONNECTION_STATE_CHANGED]: StageConnectionState;
  [StageEvents.STAGE_LEFT]: StageLeftReason;
  [StageEvents.STAGE_PARTICIPANT_JOINED]: StageParticipantInfo;
  [StageEvents.STAGE_PARTICIPANT_LEFT]: StageParticipantInfo;
  [StageEvents.STAGE_PARTICIPANT_METADATA_CHANGED]: StageParticipantInfo;
  /** Told of the local participant only. */
  [StageEvents.STAGE_PARTICIPANT_PUBLISH_STATE_CHANGED]: [
    participant: StageParticipantInfo,
    state: StageParticipantPublishState,
  ];
  [StageEvents.STAGE_PARTICIPANT_SUBSCRIBE_STATE_CHANGED]: [
    participant: StageParticipantInfo,
    state: StageParticipantSubscribeState,
  ];
  [StageEvents.STAGE_PARTICIPANT_STREAMS_ADDED]: [participant: StageParticipantInfo, streams: StageStream[]];
  [StageEvents.STAGE_PARTICIPANT_STREAMS_REMOVED]: [
    participant: StageParticipantInfo,
    streams: StageStream[],
  ];
  [StageEvents.STAGE_STREAM_ADAPTION_CHANGED]: [
    participant: StageParticipantInfo,
    stream: RemoteStageStream,
    isAdapting: boolean,
  ];
  [StageEvents.STAGE_STREAM_LAYERS_CHANGED]: [
    participant: StageParticipantInfo,
    stream: RemoteStageStream,
    layers: StageStreamLayer[],
  ];
  [StageEvents.STAGE_STREAM_LAYER_SELECTED]: [
    participant: StageParticipantInfo,
    stream: RemoteStageStream,
    layer: StageStreamLayer | undefined,
    reason: StageStreamLayerSelectedReason,
  ];
  [StageEvents.STAGE_STREAM_MUTE_CHANGED]: [participant: StageParticipantInfo, stream: StageStream];
  [StageEvents.STAGE_STREAM_SEI_MESSAGE_RECEIVED]: [
    participant: StageParticipantInfo,
    message: StageStreamSeiMessage,
  ];
  [StageEvents.ERROR]: StageError;
}
