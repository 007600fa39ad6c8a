/** What the strategy engine knows, hears and orders. Data only. */

/** What of a participant is received. */
export type Media = "NONE" | "AUDIO_ONLY" | "AUDIO_VIDEO";
export type Kind = "audio" | "video";

/** A stream that the application wants to publish. */
export interface StreamWish {
  kind: Kind;
  /** Of the track. */
  trackId: string;
}

/** How one remote participant is to be received. */
export interface SubscribeWish {
  media: Media;
  priority: number;
  /** The other two count from the next subscription on. */
  isHighestFirst: boolean;
  readsMessages: boolean;
}

/** The answers of a strategy, at one moment. */
export interface Wish {
  shouldPublish: boolean;
  streams: readonly StreamWish[];
  subscribe: ReadonlyMap<string, SubscribeWish>;
}

/** A participant of the stage, as the server lists it. */
export interface Listed {
  id: string;
  userId: string;
  attributes: Record<string, string>;
  isPublishing: boolean;
  audioMuted: boolean;
  videoStopped: boolean;
  isReplica: boolean;
  sourceStageArn?: string;
}

/** What a token allows. */
export interface Permissions {
  publish: boolean;
  subscribe: boolean;
}

/** `none`: not ordered. `attempting`: ordered, and not there yet, or lost. `done`: media flows, or can. `errored`: refused, or late. */
export type Progress = "none" | "attempting" | "done" | "errored";

/** Publishing. */
export interface Publication {
  progress: Progress;
  /** What was ordered; empty if nothing was. */
  streams: readonly StreamWish[];
  /** Of the newest order; reports about older ones are old. */
  attempt: number;
  /** Why it is not tried again: `error` until the application asks, `replaced` until it has not wanted to publish for once. */
  blockedBy: "nothing" | "error" | "replaced";
  /** Whether the application was told of the streams. */
  isShown: boolean;
}

/** One remote participant. */
export interface Remote {
  info: Listed;
  progress: Progress;
  /** What was ordered; `undefined` if nothing was. */
  ordered: SubscribeWish | undefined;
  /** Whether it is not tried again until the application asks or the participant publishes anew. */
  isBlocked: boolean;
  /** The streams of which the application was told. */
  shown: readonly Kind[];
}

/** `out`: not joined. `joining`: the first connection is under way. `in`: connected. `lost`: being connected again. */
export type Phase = "out" | "joining" | "in" | "lost";

export interface EngineState {
  phase: Phase;
  /** Whether the connection has been lost for so long that the application was told. */
  isOverdue: boolean;
  /** The local participant's id. */
  own: string;
  may: Permissions;
  wish: Wish;
  publication: Publication;
  remotes: ReadonlyMap<string, Remote>;
}

/** What happened. */
export type Input =
  | { is: "join"; own: string; may: Permissions }
  | { is: "connected" }
  | { is: "lost" }
  /** The connection has been lost for a long time. */
  | { is: "overdue" }
  /** It ends: by the application, or by the server. */
  | { is: "leave"; reason: string }
  | { is: "listed"; participants: readonly Listed[] }
  /** `isAsked`: the application asked for it, so that what was refused is tried again. */
  | { is: "wished"; wish: Wish; isAsked: boolean }
  | { is: "allowed"; may: Permissions }
  | {
      is: "publishing";
      attempt: number;
      progress: "attempting" | "done" | "errored";
      isFinal?: boolean;
      isReplaced?: boolean;
    }
  | { is: "subscribing"; id: string; progress: "attempting" | "errored"; isFinal?: boolean }
  /** The tracks of a participant that are there now. */
  | { is: "tracks"; id: string; kinds: readonly Kind[] };

export type ConnectionState = "disconnected" | "connecting" | "connected" | "errored";

/** What is to be done, in this order; `tell` is for the application. */
export type Action =
  | { do: "connect" }
  | { do: "disconnect" }
  | { do: "publish"; attempt: number; streams: readonly StreamWish[] }
  | { do: "replaceStreams"; attempt: number; streams: readonly StreamWish[] }
  | { do: "unpublish" }
  | { do: "subscribe"; id: string; wish: SubscribeWish }
  | { do: "change"; id: string; wish: SubscribeWish }
  | { do: "unsubscribe"; id: string }
  | { do: "tell"; what: "connection"; state: ConnectionState }
  | { do: "tell"; what: "left"; reason: string }
  | { do: "tell"; what: "joined" | "gone" | "metadata"; info: Listed }
  | { do: "tell"; what: "muted"; info: Listed; kinds: readonly Kind[] }
  | { do: "tell"; what: "localJoined" | "localGone" }
  | { do: "tell"; what: "publishState"; progress: Progress }
  | { do: "tell"; what: "subscribeState"; id: string; progress: Progress }
  | { do: "tell"; what: "streamsAdded" | "streamsRemoved"; id: string; kinds: readonly Kind[] }
  | { do: "tell"; what: "localStreamsAdded" | "localStreamsRemoved"; streams: readonly StreamWish[] };

/** Nothing is wished for. */
export const NO_WISH: Wish = { shouldPublish: false, streams: [], subscribe: new Map() };

const NO_PUBLICATION: Publication = {
  progress: "none",
  streams: [],
  attempt: 0,
  blockedBy: "nothing",
  isShown: false,
};

/** The state before anything happened. */
export const INITIAL: EngineState = {
  phase: "out",
  isOverdue: false,
  own: "",
  may: { publish: false, subscribe: false },
  wish: NO_WISH,
  publication: NO_PUBLICATION,
  remotes: new Map(),
};
