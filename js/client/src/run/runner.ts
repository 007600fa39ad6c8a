/** Runs the strategy engine of one stage: brings it what happens, and does what it orders. */

import type { StageError as ConnectionError } from "../connections/errors.js";
import { listen, type StageEvents as Socket } from "../connections/listen.js";
import { reduce } from "../engine/reduce.js";
import { type Action, type EngineState, INITIAL, type Input, type Kind } from "../engine/state.js";
import { AnyReceiver } from "../receive/choice.js";
import { OVERDUE_MS, type ReceivedTracks, type Receiver, type ReceiveWant } from "../receive/receiver.js";
import { StageEvents, StageLeftReason } from "../stage/enums.js";
import { StageError, StageErrorCategory, StageErrorCode, toStageError } from "../stage/errors.js";
import type { SubscribeConfiguration } from "../stage/strategy.js";
import type { LocalStageStream } from "../streams/local_stream.js";
import type { Host } from "./host.js";
import { readLayerNews, readListed, readMute } from "./messages.js";
import { Publisher } from "./publisher.js";
import { preferenceOf, targetDelayOf } from "./receiving.js";
import { isOther, Roster, type Seat, setMuted } from "./roster.js";
import { Teller } from "./teller.js";
import { permissionsOf } from "./token.js";
import { askAboutPublishing, askAboutReceiving, wishFor } from "./wishes.js";

/** Why the socket ended for good, as a reason to have left. */
const LEFT: Record<string, StageLeftReason> = {
  REPLACED: StageLeftReason.TOKEN_REUSED,
  PARTICIPANT_DISCONNECTED: StageLeftReason.PARTICIPANT_DISCONNECTED,
  STAGE_DELETED: StageLeftReason.STAGE_DELETED,
  TOKEN_REVOKED: StageLeftReason.REAL_TIME_CONNECTION_TOKEN_REVOCATION,
};

/** What a join waits for. */
interface Joining {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: StageError) => void;
}

export class Runner {
  readonly #host: Host;
  readonly #roster = new Roster();
  readonly #teller: Teller;
  readonly #publisherHooks = {
    onProgress: (
      attempt: number,
      progress: "attempting" | "done" | "errored",
      error?: ConnectionError,
      isFinal?: boolean,
      isReplaced?: boolean,
    ) => {
      if (progress === "errored" && error) this.#report(toStageError(error, "PUBLISH_ERROR"));
      this.dispatch({ is: "publishing", attempt, progress, isFinal, isReplaced });
    },
    onEnded: () => {
      this.#askAboutPublishing();
      this.#wish(false);
    },
  };
  #state: EngineState = INITIAL;
  readonly #inputs: Input[] = [];
  #isBusy = false;
  #joining: Joining | undefined;
  #socket: Socket | undefined;
  #publisher: Publisher | undefined;
  #receiver: Receiver | undefined;
  #streams: LocalStageStream[] = [];
  /** Whether the application was told that all that it wants to publish has ended. */
  #areEnded = false;
  readonly #wants = new Map<string, ReceiveWant>();
  readonly #configurations = new Map<string, SubscribeConfiguration>();
  #overdueTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(host: Host) {
    this.#host = host;
    this.#teller = new Teller(host, this.#roster, {
      streamOf: trackId => this.#streams.find(stream => stream.mediaStreamTrack.id === trackId),
      onHeight: (id, lines) => this.#onHeight(id, lines),
      onStreams: seat => this.#preferLayer(seat),
    });
  }

  get socket(): Socket | undefined {
    return this.#socket;
  }

  get phase() {
    return this.#state.phase;
  }

  /** Joins, or waits for the join that is under way. */
  join(): Promise<void> {
    if (this.#joining) return this.#joining.promise;
    let settle: Pick<Joining, "resolve" | "reject"> = { resolve: () => {}, reject: () => {} };
    const promise = new Promise<void>((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#joining = { promise, ...settle };
    const payload = this.#host.payload();
    try {
      this.dispatch({ is: "join", own: payload.jti, may: permissionsOf(payload) });
    } catch (cause) {
      const { FAILED } = StageErrorCode;
      this.end(StageLeftReason.UNKNOWN, new StageError(`${cause}`, FAILED, StageErrorCategory.JOIN_ERROR));
    }
    return promise;
  }

  /** Leaves. Does nothing where nothing was joined. */
  leave(reason: StageLeftReason, error?: StageError) {
    const { CANCELED } = StageErrorCode;
    const left = error ?? new StageError("the stage was left", CANCELED, StageErrorCategory.JOIN_ERROR);
    const joining = this.#joining;
    this.#joining = undefined;
    this.dispatch({ is: "leave", reason });
    joining?.reject(left);
  }

  /** Leaves by no wish of the application. Whoever is just joining is told why; a stage that was joined ends in order. */
  end(reason: StageLeftReason, error?: StageError) {
    if (error && this.#state.phase === "joining") this.#report(error);
    this.leave(reason, error);
  }

  /** Asks the strategy about everything. @param isAsked Whether the application asked for it. */
  refresh(isAsked: boolean) {
    this.#askAboutPublishing();
    for (const { info } of this.#roster.all()) this.#askAboutReceiving(info.id);
    this.#wish(isAsked);
    for (const seat of this.#roster.all()) this.#preferLayer(seat);
  }

  /** The token was exchanged. */
  onExchanged() {
    const payload = this.#host.payload();
    const may = permissionsOf(payload);
    const isGained = may.publish && !this.#state.may.publish;
    this.#socket?.useToken(this.#host.token());
    this.dispatch({ is: "allowed", may });
    // Whoever may publish from here on is asked; whoever may not is not.
    if (isGained) {
      this.#askAboutPublishing();
      this.#wish(true);
    }
  }

  /** Gives the engine an input. Inputs that come while it works, such as those of listeners, follow. */
  dispatch(input: Input) {
    this.#inputs.push(input);
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) {
        const { state, actions } = reduce(this.#state, next);
        this.#state = state;
        for (const action of actions) this.#perform(action);
      }
    } finally {
      this.#isBusy = false;
    }
  }

  #perform(action: Action) {
    switch (action.do) {
      case "connect":
        this.#connect();
        break;
      case "disconnect":
        this.#disconnect();
        break;
      case "publish":
        this.#publisher?.start(action.attempt, this.#streams);
        break;
      case "replaceStreams":
        this.#publisher?.replace(action.attempt, this.#streams);
        break;
      case "unpublish":
        this.#publisher?.stop();
        break;
      case "subscribe":
      case "change":
        this.#want(action);
        break;
      case "unsubscribe":
        this.#wants.delete(action.id);
        this.#receiver?.set(this.#wants);
        break;
      case "tell":
        this.#teller.tell(action);
        if (action.what === "publishState") this.#delayAll();
        break;
    }
  }

  #connect() {
    const { headers, protocols } = this.#host.credentials();
    const socket = listen(this.#host.token(), undefined, protocols);
    this.#socket = socket;
    const setup = { events: socket, token: () => this.#host.token(), headers };
    this.#publisher = new Publisher({ ...setup, hooks: this.#publisherHooks });
    const hooks = {
      onProgress: (
        id: string,
        progress: "attempting" | "errored",
        error?: ConnectionError,
        isFinal?: boolean,
      ) => {
        if (progress === "errored" && error && this.#wants.has(id)) {
          this.#report(toStageError(error, "SUBSCRIBE_ERROR"));
        }
        this.dispatch({ is: "subscribing", id, progress, isFinal });
      },
      onTracks: (id: string, tracks: ReceivedTracks) => this.#onTracks(id, tracks),
      onMessage: (id: string, message: { payload: ArrayBuffer; uuid: string }) => {
        const seat = this.#roster.get(id);
        if (seat) this.#host.emit(StageEvents.STAGE_STREAM_SEI_MESSAGE_RECEIVED, seat.info, message);
      },
    };
    const { shared } = this.#host;
    this.#receiver = new AnyReceiver({ ...setup, hooks, shared }, this.#host.payload().events_url);
    socket.addEventListener("statechange", () => this.#onSocketState(socket));
    socket.addEventListener("stagestate", () => this.#onStageState(socket));
    socket.addEventListener("message", event => {
      const { message } = event as Event & { message: { type: string; payload: Record<string, unknown> } };
      if (this.#socket === socket) this.#take(message.type, message.payload);
    });
    globalThis.addEventListener?.("pagehide", this.#onPageHide);
    this.#watchOverdue();
  }

  #disconnect() {
    clearTimeout(this.#overdueTimer);
    globalThis.removeEventListener?.("pagehide", this.#onPageHide);
    this.#wants.clear();
    this.#configurations.clear();
    this.#areEnded = false;
    this.#receiver?.close();
    this.#publisher?.stop();
    this.#socket?.close();
    this.#receiver = undefined;
    this.#publisher = undefined;
    this.#socket = undefined;
    this.#host.onLeft();
  }

  readonly #onPageHide = () => this.leave(StageLeftReason.USER_INITIATED);

  #onSocketState(socket: Socket) {
    if (this.#socket !== socket) return;
    if (socket.state === "reconnecting") {
      this.dispatch({ is: "lost" });
      this.#watchOverdue();
    }
    if (socket.state !== "failed" || !socket.error) return;
    const error = toStageError(socket.error, "JOIN_ERROR");
    const reason = LEFT[socket.error.code] ?? StageLeftReason.UNKNOWN;
    if (reason === StageLeftReason.UNKNOWN && this.#state.phase !== "joining") this.#report(error);
    this.end(reason, error);
  }

  #onStageState(socket: Socket) {
    if (this.#socket !== socket) return;
    const wasIn = this.#state.phase === "in";
    if (!wasIn) {
      clearTimeout(this.#overdueTimer);
      const isFirst = this.#state.phase === "joining";
      this.dispatch({ is: "connected" });
      this.#receiver?.opened();
      if (isFirst) {
        this.#askAboutPublishing();
        this.#wish(false);
      }
    }
    const known = new Set(this.#roster.all().map(({ info }) => info.id));
    this.dispatch({
      is: "listed",
      participants: readListed(socket.participants, this.#host.payload().resource),
    });
    const newcomers = this.#roster.all().filter(({ info }) => !known.has(info.id));
    for (const { info } of newcomers) this.#askAboutReceiving(info.id);
    if (newcomers.length > 0) this.#wish(false);
    const joining = this.#joining;
    if (!wasIn) joining?.resolve();
  }

  #watchOverdue() {
    clearTimeout(this.#overdueTimer);
    this.#overdueTimer = setTimeout(() => {
      const message = `no connection to the stage for ${OVERDUE_MS / 1000} s`;
      const error = new StageError(message, StageErrorCode.TIMEOUT, StageErrorCategory.JOIN_ERROR);
      this.dispatch({ is: "overdue" });
      this.#report(error);
      // Whoever has never been in is told to try again; whoever was is brought back as soon as that is possible.
      if (this.#state.phase === "joining") this.leave(StageLeftReason.UNKNOWN, error);
    }, OVERDUE_MS);
  }

  #take(type: string, payload: Record<string, unknown>) {
    this.#receiver?.take(type, payload);
    if (type === "STAGE_STREAM_MUTE_CHANGED") {
      const mute = readMute(payload);
      const seat = mute && this.#roster.get(mute.id);
      const stream = seat && setMuted(seat, mute.kind, mute.isMuted);
      if (stream) this.#host.emit(StageEvents.STAGE_STREAM_MUTE_CHANGED, seat.info, stream);
      return;
    }
    const layers = readLayerNews(type, payload);
    const seat = layers && this.#roster.get(layers.id);
    if (!seat) return;
    this.#teller.tellLayers(seat, layers.news);
    if (layers.news.layers) this.#preferLayer(seat);
  }

  #onTracks(id: string, tracks: ReceivedTracks) {
    const seat = this.#roster.get(id);
    const kinds = (["audio", "video"] as const).filter(kind => tracks[kind] !== undefined);
    if (seat) {
      // A stream stands for one track: another track is another stream.
      const kept: Kind[] = kinds.filter(kind => !isOther(seat, tracks, kind));
      if (kept.length < kinds.length) this.dispatch({ is: "tracks", id, kinds: kept });
      seat.arrived = tracks;
      this.#delay(seat);
    }
    this.dispatch({ is: "tracks", id, kinds });
  }

  #askAboutPublishing() {
    const { strategy, local } = this.#host;
    const { may } = this.#state;
    const { shouldPublish, streams, areEnded } = askAboutPublishing(strategy(), local, may.publish);
    this.#streams = streams;
    this.#wished = { ...this.#wished, shouldPublish, streams: wishFor(streams) };
    const wereEnded = this.#areEnded;
    this.#areEnded = areEnded;
    if (!areEnded || wereEnded) return;
    const { FAILED } = StageErrorCode;
    const message = "the tracks to be published have ended";
    this.#report(new StageError(message, FAILED, StageErrorCategory.PUBLISH_ERROR, "NO_TRACKS"));
  }

  #askAboutReceiving(id: string) {
    const info = this.#roster.get(id)?.info;
    if (!info) return;
    const { wish, configuration } = askAboutReceiving(this.#host.strategy(), info);
    this.#configurations.set(id, configuration);
    this.#wished = { ...this.#wished, subscribe: new Map(this.#wished.subscribe).set(id, wish) };
  }

  /** The newest answers of the strategy. */
  #wished = INITIAL.wish;

  #wish(isAsked: boolean) {
    const there = new Set(this.#roster.all().map(({ info }) => info.id));
    const subscribe = new Map([...this.#wished.subscribe].filter(([id]) => there.has(id)));
    this.#wished = { ...this.#wished, subscribe };
    this.dispatch({ is: "wished", wish: this.#wished, isAsked });
    this.#delayAll();
  }

  #want({ id, wish }: Extract<Action, { do: "subscribe" | "change" }>) {
    if (wish.media === "NONE") return;
    const { media, priority, isHighestFirst, readsMessages } = wish;
    const before = this.#wants.get(id);
    this.#wants.set(id, { ...before, id, media, priority, isHighestFirst, readsMessages });
    this.#receiver?.set(this.#wants);
  }

  #onHeight(id: string, maxHeight: number | undefined) {
    const want = this.#wants.get(id);
    if (!want || want.maxHeight === maxHeight) return;
    this.#wants.set(id, { ...want, maxHeight });
    this.#receiver?.set(this.#wants);
  }

  #preferLayer(seat: Seat) {
    const want = this.#wants.get(seat.info.id);
    const preferredLayer = preferenceOf(this.#host.strategy(), seat);
    if (!want || want.preferredLayer === preferredLayer) return;
    this.#wants.set(seat.info.id, { ...want, preferredLayer });
    this.#receiver?.set(this.#wants);
  }

  /** Received media waits only where nobody answers it. */
  #delay(seat: Seat) {
    const isPublishing = this.#state.publication.progress === "done";
    const target = isPublishing ? null : targetDelayOf(this.#configurations.get(seat.info.id));
    for (const received of [seat.arrived.audio, seat.arrived.video]) {
      if (received && "jitterBufferTarget" in received.receiver)
        received.receiver.jitterBufferTarget = target;
    }
  }

  #delayAll() {
    for (const seat of this.#roster.all()) this.#delay(seat);
  }

  #report(error: StageError) {
    this.#host.emit(StageEvents.ERROR, error);
  }
}
