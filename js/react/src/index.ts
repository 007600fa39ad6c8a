/** Hooks for stages of `@restage/client`. */

import {
  type RemoteStageStream,
  Stage,
  type StageConfiguration,
  type StageStrategy,
  type StageStream,
} from "@restage/client";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import { type Participant, type StageSnapshot, storeOf } from "./store.js";

export type { Participant, StageSnapshot } from "./store.js";

/** A stage that {@link useStage} has joined, and how it is at this moment. */
export interface JoinedStage extends StageSnapshot {
  /** Absent without a token. */
  readonly stage: Stage | undefined;
}

/**
 * Joins a stage with a token, and leaves it when the component goes or the token is another one. Without a token nothing is joined.
 * @param strategy May be another object in each rendering: the stage is asked to apply what differs.
 * @param configuration Of the next stage that is made.
 */
export function useStage(
  token: string | undefined,
  strategy: StageStrategy,
  configuration?: StageConfiguration,
): JoinedStage {
  const newest = useRef({ strategy, configuration });
  const [stage, setStage] = useState<Stage>();

  useEffect(() => {
    newest.current = { strategy, configuration };
    stage?.refreshStrategy();
  }, [stage, strategy, configuration]);

  useEffect(() => {
    if (!token) return undefined;
    const made = new Stage(
      token,
      delegating(() => newest.current.strategy),
      newest.current.configuration,
    );
    storeOf(made);
    setStage(made);
    // What was refused is in the snapshot's error.
    made.join().catch(() => {});
    return () => {
      made.leave();
      setStage(undefined);
    };
  }, [token]);

  const snapshot = useStageSnapshot(stage);
  return useMemo(() => ({ stage, ...snapshot }), [stage, snapshot]);
}

/** How a stage is at this moment, for components below the one that joined it. */
export function useStageSnapshot(stage: Stage | undefined): StageSnapshot {
  const { subscribe, getSnapshot } = storeOf(stage);
  return useSyncExternalStore(subscribe, getSnapshot, getSnapshot);
}

/** The participants of a stage: the local one first, once it is joined. */
export function useParticipants(stage: Stage | undefined): readonly Participant[] {
  return useStageSnapshot(stage).participants;
}

/**
 * A `ref` for a video or audio element that plays streams. The size of a video element decides how large the pictures of remote streams
 * are asked for.
 */
export function useAttach(streams: readonly StageStream[]) {
  const detach = useRef<(() => void)[]>([]);
  const same = useSame(streams);
  return useCallback(
    (element: HTMLMediaElement | null) => {
      for (const one of detach.current.splice(0)) one();
      if (element) detach.current = same.map(stream => attach(stream, element));
    },
    [same],
  );
}

/** The former array, as long as the streams are the same. */
function useSame(streams: readonly StageStream[]) {
  const [kept, keep] = useState(streams);
  const isSame = kept.length === streams.length && kept.every((stream, index) => stream === streams[index]);
  if (!isSame) keep(streams);
  return isSame ? kept : streams;
}

function attach(stream: StageStream, element: HTMLMediaElement): () => void {
  if ("attach" in stream) return (stream as RemoteStageStream).attach(element);
  const own = new MediaStream([stream.mediaStreamTrack]);
  const played = element.srcObject instanceof MediaStream ? element.srcObject : own;
  if (played === own) element.srcObject = own;
  else played.addTrack(stream.mediaStreamTrack);
  return () => played.removeTrack(stream.mediaStreamTrack);
}

/** A strategy that asks the newest one. */
function delegating(newest: () => StageStrategy): StageStrategy {
  return {
    stageStreamsToPublish: () => newest().stageStreamsToPublish(),
    shouldPublishParticipant: info => newest().shouldPublishParticipant(info),
    shouldSubscribeToParticipant: info => newest().shouldSubscribeToParticipant(info),
    subscribeConfiguration: info => newest().subscribeConfiguration?.(info),
    preferredLayerForStream: (info, stream) => newest().preferredLayerForStream?.(info, stream),
  };
}
