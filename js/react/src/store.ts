/** What React renders of a stage: snapshots that change only when something happened. */

import {
  type Stage,
  StageConnectionState,
  type StageError,
  StageEvents,
  type StageParticipantInfo,
  StageParticipantPublishState,
  StageParticipantSubscribeState,
  type StageStream,
} from "@restage/client";

/** A participant at one moment. A new object whenever anything of it changed. */
export interface Participant extends Readonly<StageParticipantInfo> {
  readonly streams: readonly StageStream[];
  /** Of a remote participant. */
  readonly subscribeState: StageParticipantSubscribeState;
}

/** A stage at one moment. */
export interface StageSnapshot {
  readonly connectionState: StageConnectionState;
  /** Of the local participant. */
  readonly publishState: StageParticipantPublishState;
  /** The newest error since the stage was connected last. */
  readonly error: StageError | undefined;
  /** The local participant first, then the others in the order in which they came. */
  readonly participants: readonly Participant[];
}

const EMPTY: StageSnapshot = {
  connectionState: StageConnectionState.DISCONNECTED,
  publishState: StageParticipantPublishState.NOT_PUBLISHED,
  error: undefined,
  participants: [],
};

/** The snapshots of one stage, for `useSyncExternalStore`. */
export class StageStore {
  #snapshot = EMPTY;
  readonly #listeners = new Set<() => void>();

  constructor(stage: Stage | undefined) {
    stage?.on(StageEvents.STAGE_CONNECTION_STATE_CHANGED, connectionState => {
      const isNew = connectionState === StageConnectionState.CONNECTED;
      this.#set({ connectionState, ...(isNew && { error: undefined }) });
    });
    stage?.on(StageEvents.ERROR, error => this.#set({ error }));
    stage?.on(StageEvents.STAGE_PARTICIPANT_JOINED, info => this.#renew(info, {}));
    stage?.on(StageEvents.STAGE_PARTICIPANT_LEFT, ({ id }) => {
      this.#set({ participants: this.#snapshot.participants.filter(one => one.id !== id) });
    });
    stage?.on(StageEvents.STAGE_PARTICIPANT_METADATA_CHANGED, info => this.#renew(info, {}));
    stage?.on(StageEvents.STAGE_STREAM_MUTE_CHANGED, info => this.#renew(info, {}));
    stage?.on(StageEvents.STAGE_PARTICIPANT_PUBLISH_STATE_CHANGED, (info, publishState) => {
      this.#set({ publishState });
      this.#renew(info, {});
    });
    stage?.on(StageEvents.STAGE_PARTICIPANT_SUBSCRIBE_STATE_CHANGED, (info, subscribeState) =>
      this.#renew(info, { subscribeState }),
    );
    stage?.on(StageEvents.STAGE_PARTICIPANT_STREAMS_ADDED, (info, streams) =>
      this.#renew(info, { streams: [...this.#streamsOf(info.id), ...streams] }),
    );
    stage?.on(StageEvents.STAGE_PARTICIPANT_STREAMS_REMOVED, (info, streams) =>
      this.#renew(info, { streams: this.#streamsOf(info.id).filter(one => !streams.includes(one)) }),
    );
  }

  readonly subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  readonly getSnapshot = () => this.#snapshot;

  #streamsOf(id: string) {
    return this.#snapshot.participants.find(one => one.id === id)?.streams ?? [];
  }

  #renew(info: StageParticipantInfo, change: Partial<Pick<Participant, "streams" | "subscribeState">>) {
    const { participants } = this.#snapshot;
    const known = participants.find(one => one.id === info.id);
    const subscribeState = known?.subscribeState ?? StageParticipantSubscribeState.NOT_SUBSCRIBED;
    const renewed: Participant = { streams: [], ...known, subscribeState, ...info, ...change };
    const others = participants.filter(one => one.id !== info.id);
    if (known) this.#set({ participants: participants.map(one => (one === known ? renewed : one)) });
    else this.#set({ participants: info.isLocal ? [renewed, ...others] : [...others, renewed] });
  }

  #set(change: Partial<StageSnapshot>) {
    this.#snapshot = { ...this.#snapshot, ...change };
    for (const listener of [...this.#listeners]) listener();
  }
}

const stores = new WeakMap<Stage, StageStore>();
const none = new StageStore(undefined);

/** The one store of a stage. It sees what happens from the first call on, so it is asked for before the stage is joined. */
export function storeOf(stage: Stage | undefined): StageStore {
  if (!stage) return none;
  const store = stores.get(stage) ?? new StageStore(stage);
  stores.set(stage, store);
  return store;
}
