/** Asks an application's strategy, and puts its answers into the engine's words. */

import type { Media, SubscribeWish, Wish } from "../engine/state.js";
import { InitialLayerPreference, StreamType, SubscribeType } from "../stage/enums.js";
import type { StageParticipantInfo } from "../stage/participant.js";
import type { StageStrategy, SubscribeConfiguration } from "../stage/strategy.js";
import type { LocalStageStream } from "../streams/local_stream.js";

/** Of 0 to 10. */
const DEFAULT_PRIORITY = 5;

/** What was answered. */
export interface Answers {
  wish: Wish;
  /** The streams of the wish. */
  streams: LocalStageStream[];
  /** How participants are received. */
  configurations: Map<string, SubscribeConfiguration>;
}

const MEDIA: Record<SubscribeType, Media> = {
  [SubscribeType.NONE]: "NONE",
  [SubscribeType.AUDIO_ONLY]: "AUDIO_ONLY",
  [SubscribeType.AUDIO_VIDEO]: "AUDIO_VIDEO",
};

/** An answer; a strategy that throws wishes for nothing, and its error is reported like one that nobody caught. */
export function ask<Answer>(question: () => Answer, otherwise: Answer): Answer {
  try {
    return question();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
    return otherwise;
  }
}

/** What is to be published: one stream of each kind, the first that is named; nothing if all of them have ended (`areEnded`). */
export function askAboutPublishing(
  strategy: StageStrategy,
  local: StageParticipantInfo,
  mayPublish: boolean,
) {
  const shouldPublish = mayPublish && ask(() => strategy.shouldPublishParticipant(local) === true, false);
  // Applications leave gaps for devices that are off, and name what is no stream.
  const named = shouldPublish
    ? ask(() => (strategy.stageStreamsToPublish() ?? []).filter(one => one?.mediaStreamTrack), [])
    : [];
  const streams = [StreamType.AUDIO, StreamType.VIDEO].flatMap(
    type => named.find(stream => stream.streamType === type) ?? [],
  );
  const areEnded = streams.length > 0 && streams.every(one => one.mediaStreamTrack.readyState === "ended");
  return { shouldPublish, streams: areEnded ? [] : streams, areEnded };
}

/** How a participant is to be received. */
export function askAboutReceiving(
  strategy: StageStrategy,
  participant: StageParticipantInfo,
): { wish: SubscribeWish; configuration: SubscribeConfiguration } {
  const type = ask(() => strategy.shouldSubscribeToParticipant(participant), SubscribeType.NONE);
  const configuration = ask(() => strategy.subscribeConfiguration?.(participant), undefined) ?? {};
  const { simulcast, inBandMessaging, priority = DEFAULT_PRIORITY } = configuration;
  return {
    configuration,
    wish: {
      media: MEDIA[type] ?? "NONE",
      priority: Number.isFinite(priority)
        ? Math.min(10, Math.max(0, Math.round(priority)))
        : DEFAULT_PRIORITY,
      isHighestFirst: simulcast?.initialLayerPreference === InitialLayerPreference.HIGHEST_QUALITY,
      readsMessages: inBandMessaging?.enabled === true,
    },
  };
}

/** The wish to publish streams. */
export function wishFor(streams: LocalStageStream[]) {
  return streams.map(stream => ({
    kind: stream.streamType === StreamType.AUDIO ? ("audio" as const) : ("video" as const),
    trackId: stream.mediaStreamTrack.id,
  }));
}
