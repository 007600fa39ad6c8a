/** What an application wishes for, as the service's SDK asks for it. */

import type { LocalStageStream } from "../streams/local_stream.js";
import type { RemoteStageStream, StageStreamLayer } from "../streams/remote_stream.js";
import type { InitialLayerPreference, JitterBufferMinDelay, SubscribeType } from "./enums.js";
import type { StageParticipantInfo } from "./participant.js";

export interface JitterBufferConfiguration {
  /** A preset, or milliseconds. It is not applied while the local participant publishes, nor by a browser without `jitterBufferTarget`. */
  minDelay?: JitterBufferMinDelay | number;
}

export interface SimulcastSubscribeConfiguration {
  /** Which layer comes first. A change counts from the next subscription on. */
  initialLayerPreference?: InitialLayerPreference;
}

export interface InBandMessagingSubscribeConfiguration {
  /** Whether messages in the pictures (SEI) are read. A change counts from the next subscription on. */
  enabled: boolean;
}

export interface SubscribeConfiguration {
  jitterBuffer?: JitterBufferConfiguration;
  simulcast?: SimulcastSubscribeConfiguration;
  inBandMessaging?: InBandMessagingSubscribeConfiguration;
  /** 0 to 10; 5 if absent. Where the network does not carry everything, those with more come first. Not in the service's SDK. */
  priority?: number;
}

/**
 * The wishes of an application. They are asked for at {@link Stage.join}, {@link Stage.refreshStrategy} when participants come, and when a
 * published track ends; only what differs from before is done. An answer does not depend on what is already so: who is wished for is subscribed to as soon as it
 * publishes.
 */
export interface StageStrategy {
  /** What is published, at most one stream of sound and one of pictures. */
  stageStreamsToPublish(): LocalStageStream[];
  /** Whether the local participant publishes. Asked only if its token allows it. */
  shouldPublishParticipant(participant: StageParticipantInfo): boolean;
  /** What is received of a remote participant. */
  shouldSubscribeToParticipant(participant: StageParticipantInfo): SubscribeType;
  /** How it is received. */
  subscribeConfiguration?(participant: StageParticipantInfo): SubscribeConfiguration | undefined;
  /** The layer to be shown, or its label; nothing for the one that fits the network and the element. */
  preferredLayerForStream?(
    participant: StageParticipantInfo,
    stream: RemoteStageStream,
  ): StageStreamLayer | string | undefined | null;
}
