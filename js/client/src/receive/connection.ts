/** One connection that receives all participants of a stage, or of several. The server offers, over a socket. */

import { StageError } from "../connections/errors.js";
import { noMediaPath, udpCandidates } from "../connections/path.js";
import { Retry } from "../connections/retry.js";
import { readMessages } from "../sei/inserter.js";
import { withStereo } from "../streams/simulcast.js";
import { OVERDUE_MS, type Receiver, type ReceiverHooks, type ReceiveWant } from "./receiver.js";
import { type ReceiveOffer, type ReceiveState, readOffer, readStates } from "./sdp.js";
import { TrackPlaces } from "./tracks.js";

/** The longest wait between attempts to reconnect. */
const RETRY_LAST_MS = 8000;
/** An answered connection that is not established within this time has no media path. */
const PATH_TIMEOUT_MS = 10_000;
/** How long an interrupted connection has for another path, before it is replaced. */
const HEAL_MS = 3000;
/** When a set is sent again that the server did not take because there were too many. */
const TELL_AGAIN_MS = 1000;
/** How long sets are collected before they are sent: wishes change together. */
const COLLECT_MS = 10;
/** The codes after which the connection is not opened again by itself. */
const FINAL = ["REPLACED"];
/** Why a participant is refused for now: a busy server, or one that is full. It is asked for again by itself, as by WHEP. */
const PASSING = ["STAGE_AT_CAPACITY", "BUSY", "TOO_OFTEN", "INTERNAL"];
/** Refusals of an answer after which the connection is of no use. After the others it goes on as it was. */
const USELESS = ["INVALID_SDP", "NO_CONNECTION"];
/** Most participants that a server takes in one set. */
const PARTICIPANTS_MAX = 48;

/** What carries the connection's messages. */
export interface Signals {
  readonly isOpen: boolean;
  tell(type: string, payload: object): void;
}

/** How what is wanted and received is said on a socket. */
export interface Dialect {
  describe(wants: ReceiveWant[]): object;
  readStates(payload: Record<string, unknown>): ReceiveState[];
  readOffer(payload: Record<string, unknown>): ReceiveOffer | undefined;
}

/** That of an events socket, which is about one stage. */
const OF_ONE_STAGE: Dialect = {
  describe: wants => ({ receive: wants.map(describe) }),
  readStates,
  readOffer,
};

/** The browser's side of one of the server's connections. */
interface Live {
  id: string;
  peer: RTCPeerConnection;
  places: TrackPlaces;
  /** Receivers whose messages are read, and whose they are. */
  read: Set<RTCRtpReceiver>;
  wasConnected: boolean;
  /** The last offer. */
  sdp: string;
  revision: number;
}

export class ReceiveConnection implements Receiver {
  readonly #signals: Signals;
  readonly #hooks: ReceiverHooks;
  readonly #onUnknown: () => void;
  readonly #dialect: Dialect;
  readonly #retry = new Retry(RETRY_LAST_MS);
  #wants: ReadonlyMap<string, ReceiveWant> = new Map();
  /** Those of them for whom there is no room now. */
  #left: ReadonlySet<string> = new Set();
  /** Since when participants are refused for now; and those of whom that was told. */
  readonly #refusedSince = new Map<string, number>();
  readonly #isRefusalTold = new Set<string>();
  readonly #askAgain = new Retry(RETRY_LAST_MS);
  #live: Live | undefined;
  /** The server's connection, also before its first offer. */
  #id: string | undefined;
  /** The set that the server has, as text. */
  #told: string | undefined;
  #isClosed = false;
  /** Why it is not opened again before another set is wanted. */
  #stoppedBy: StageError | undefined;
  /** Offers are answered one after the other. */
  #work: Promise<void> = Promise.resolve();
  #tellTimer: ReturnType<typeof setTimeout> | undefined;
  #healTimer: ReturnType<typeof setTimeout> | undefined;
  #overdueTimer: ReturnType<typeof setTimeout> | undefined;

  /** @param onUnknown Called when the server does not know of such connections. */
  constructor(signals: Signals, hooks: ReceiverHooks, onUnknown: () => void, dialect = OF_ONE_STAGE) {
    this.#dialect = dialect;
    this.#signals = signals;
    this.#hooks = hooks;
    this.#onUnknown = onUnknown;
    globalThis.addEventListener?.("online", this.#restart);
  }

  set(wants: ReadonlyMap<string, ReceiveWant>) {
    const before = this.#wants;
    this.#wants = new Map(wants);
    this.#left = new Set([...this.#left].filter(id => wants.has(id)));
    for (const [id, { media }] of this.#wants) {
      if (before.has(id) && before.get(id)?.media !== media) this.#live?.places.tellAgain(id);
    }
    this.#stoppedBy = undefined;
    this.#tellIn(COLLECT_MS);
    this.#watchOverdue();
  }

  opened() {
    this.#told = undefined;
    this.#tellIn(0);
  }

  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    globalThis.removeEventListener?.("online", this.#restart);
    clearTimeout(this.#tellTimer);
    clearTimeout(this.#overdueTimer);
    if (this.#id) this.#signals.tell("RECEIVE_CLOSE", { connectionId: this.#id });
    this.#drop();
  }

  take(type: string, payload: Record<string, unknown>) {
    if (this.#isClosed) return;
    switch (type) {
      case "RECEIVE_CONFIGURED":
      case "RECEIVE_STATE":
        this.#onStates(payload);
        break;
      case "RECEIVE_OFFER":
        this.#onOffer(payload);
        break;
      case "RECEIVE_CLOSED":
        if (payload.connectionId === this.#id) this.#onClosed(errorOf(payload));
        break;
      case "RECEIVE_CONFIGURE_ERROR":
        this.#onRefused(errorOf(payload));
        break;
      case "RECEIVE_ANSWER_ERROR":
        if (payload.connectionId === this.#id) this.#onAnswerRefused(errorOf(payload));
        break;
      case "ERROR":
        if (payload.code === "UNKNOWN_TYPE" && `${payload.message}`.startsWith('type "RECEIVE_'))
          this.#onUnknown();
        break;
    }
  }

  #tellIn(ms: number) {
    clearTimeout(this.#tellTimer);
    this.#tellTimer = setTimeout(() => this.#tell(), ms);
  }

  #tell() {
    const nothing = this.#wants.size === 0 && !this.#id;
    if (this.#isClosed || this.#stoppedBy || nothing || !this.#signals.isOpen) return;
    const fitting = this.#fitting();
    // Whoever is told that there is no room may leave.
    if (this.#isClosed) return;
    const wanted = this.#dialect.describe(fitting);
    const text = JSON.stringify(wanted);
    if (text === this.#told) return;
    this.#told = text;
    this.#signals.tell("RECEIVE_CONFIGURE", { ...(this.#id && { connectionId: this.#id }), ...wanted });
  }

  /**
   * As many of those that are wanted as a server takes: the ones with the highest priority, and of these the first. The others are told that
   * there is no room, and stay wanted: each has a place as soon as one is free.
   */
  #fitting(): ReceiveWant[] {
    const all = [...this.#wants.values()];
    if (all.length > PARTICIPANTS_MAX) all.sort((one, other) => other.priority - one.priority);
    const before = this.#left;
    const left = all.slice(PARTICIPANTS_MAX).map(({ id }) => id);
    this.#left = new Set(left);
    const message = `one connection receives at most ${PARTICIPANTS_MAX} participants`;
    const error = new StageError(message, { code: "STAGE_AT_CAPACITY", category: "SUBSCRIBE_ERROR" });
    const fitting = all.slice(0, PARTICIPANTS_MAX);
    for (const id of left.filter(one => !before.has(one))) {
      this.#hooks.onTracks(id, {});
      this.#hooks.onProgress(id, "errored", error);
    }
    for (const { id } of fitting.filter(one => before.has(one.id))) {
      this.#hooks.onProgress(id, "attempting");
      this.#live?.places.tellAgain(id);
    }
    return fitting;
  }

  /** Whom the server is asked for. */
  get #asked() {
    return [...this.#wants.keys()].filter(id => !this.#left.has(id));
  }

  #onAnswerRefused(error: StageError) {
    if (USELESS.includes(error.code)) this.#replace(error);
    if (error.code !== "BUSY") return;
    const live = this.#live;
    setTimeout(() => {
      if (live && this.#live === live) this.#sendAnswer(live);
    }, TELL_AGAIN_MS);
  }

  #sendAnswer({ id: connectionId, revision, peer }: Live) {
    const { sdp } = peer.localDescription ?? {};
    this.#signals.tell("RECEIVE_ANSWER", { connectionId, revision, sdp });
  }

  #onStates(payload: Record<string, unknown>) {
    const id = typeof payload.connectionId === "string" ? payload.connectionId : undefined;
    // The server no longer had the former one: everything begins again.
    if (id && this.#live && this.#live.id !== id) {
      const told = this.#told;
      this.#drop(id);
      this.#told = told;
    }
    if (id) this.#id = id;
    for (const { id: participant, state, code, message } of this.#dialect.readStates(payload)) {
      if (!this.#wants.has(participant) || this.#left.has(participant)) continue;
      if (state !== "REFUSED") {
        this.#isRefusalTold.delete(participant);
        const wasRefused = this.#refusedSince.delete(participant);
        if (state === "WAITING" || wasRefused) this.#hooks.onProgress(participant, "attempting");
        continue;
      }
      const error = new StageError(message, { code, category: "SUBSCRIBE_ERROR" });
      if (PASSING.includes(code)) this.#onRefusedForNow(participant, error);
      else this.#hooks.onProgress(participant, "errored", error, true);
    }
    for (const participant of this.#refusedSince.keys()) {
      if (!this.#wants.has(participant)) this.#refusedSince.delete(participant);
    }
    if (this.#refusedSince.size === 0) this.#askAgain.reset();
    else this.#tellAgain();
  }

  /** As what is overdue: it is said to be late after a while, and goes on being asked for. */
  #onRefusedForNow(participant: string, error: StageError) {
    const now = performance.now();
    const since = this.#refusedSince.get(participant) ?? now;
    this.#refusedSince.set(participant, since);
    if (now - since < OVERDUE_MS) {
      this.#hooks.onProgress(participant, "attempting");
      return;
    }
    if (this.#isRefusalTold.has(participant)) return;
    this.#isRefusalTold.add(participant);
    this.#hooks.onProgress(participant, "errored", error);
  }

  /** Tells what is wanted again, though it is the same: whoever was refused is tried again then. */
  #tellAgain() {
    this.#told = undefined;
    this.#tellIn(Math.max(TELL_AGAIN_MS, this.#askAgain.next()));
  }

  #onOffer(payload: Record<string, unknown>) {
    const offer = this.#dialect.readOffer(payload);
    if (!offer) return;
    this.#id = offer.connectionId;
    this.#work = this.#work
      .then(() => this.#answer(offer))
      .catch(error => this.#onUnanswerable(offer, error));
  }

  async #answer(offer: ReceiveOffer) {
    if (this.#isClosed || this.#id !== offer.connectionId) return;
    if (this.#live && this.#live.id !== offer.connectionId) this.#drop(offer.connectionId);
    const live = this.#live ?? this.#begin(offer);
    const { peer } = live;
    live.sdp = offer.sdp;
    live.revision = offer.revision;
    await peer.setRemoteDescription({ type: "offer", sdp: offer.sdp });
    const { sdp = "" } = await peer.createAnswer();
    // Decodes both channels of who sends two.
    await peer.setLocalDescription({ type: "answer", sdp: withStereo(sdp) });
    if (this.#live !== live) return;
    live.places.apply(offer.streams);
    this.#readMessages(live);
    this.#sendAnswer(live);
  }

  /** The browser does not understand an offer. */
  #onUnanswerable(offer: ReceiveOffer, error: unknown) {
    if (this.#isClosed || this.#id !== offer.connectionId) return;
    this.#replace(new StageError(`${error}`, { code: "FAILED", category: "SUBSCRIBE_ERROR" }));
  }

  #begin(offer: ReceiveOffer): Live {
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: offer.iceServers });
    const places = new TrackPlaces(peer, (id, tracks) => {
      // Whoever has lost its place is received until the server has taken it away.
      if (!this.#left.has(id)) this.#hooks.onTracks(id, tracks);
    });
    const { connectionId: id, revision, sdp } = offer;
    const live: Live = { id, peer, places, read: new Set(), wasConnected: false, sdp, revision };
    this.#live = live;
    peer.addEventListener("connectionstatechange", () => this.#onState(live));
    // Chromium passes pictures by a transform that comes later than this event.
    peer.addEventListener("track", ({ receiver }) => {
      if (receiver.track.kind === "video" && this.#doesRead) this.#readFrom(live, receiver);
    });
    clearTimeout(this.#healTimer);
    this.#healTimer = setTimeout(() => this.#onNoPath(live), PATH_TIMEOUT_MS);
    return live;
  }

  #onState(live: Live) {
    if (this.#live !== live) return;
    switch (live.peer.connectionState) {
      case "connected":
        clearTimeout(this.#healTimer);
        live.wasConnected = true;
        this.#retry.reset();
        this.#watchOverdue();
        this.#watchTransport(live);
        live.places.tellAll();
        break;
      case "disconnected":
        for (const id of live.places.ids.filter(one => !this.#left.has(one)))
          this.#hooks.onProgress(id, "attempting");
        this.#watchOverdue();
        this.#restart();
        break;
      case "failed":
      case "closed":
        if (live.wasConnected) this.#replace();
        else this.#onNoPath(live);
        break;
    }
  }

  /** A server that ends a connection says so by DTLS; the connection's own state becomes "failed" only seconds later. */
  #watchTransport(live: Live) {
    const [{ transport } = { transport: null }] = live.peer.getReceivers();
    transport?.addEventListener("statechange", () => {
      const isOver = transport.state === "closed" || transport.state === "failed";
      if (isOver && this.#live === live) this.#replace();
    });
  }

  /** Looks for another path: the network has changed, or nothing comes. */
  readonly #restart = () => {
    const live = this.#live;
    if (!live?.wasConnected) return;
    this.#signals.tell("RECEIVE_RESTART", { connectionId: live.id });
    clearTimeout(this.#healTimer);
    this.#healTimer = setTimeout(() => {
      if (this.#live === live && live.peer.connectionState !== "connected") this.#replace();
    }, HEAL_MS);
  };

  #onNoPath(live: Live) {
    if (this.#live !== live || live.wasConnected) return;
    const error = noMediaPath(udpCandidates(live.sdp), "SUBSCRIBE_ERROR");
    this.#replace(error);
  }

  /** Opens another connection in place of this one. */
  #replace(error?: StageError) {
    if (this.#id) this.#signals.tell("RECEIVE_CLOSE", { connectionId: this.#id });
    this.#onClosed(error);
  }

  #onClosed(error?: StageError) {
    this.#drop();
    if (error && FINAL.includes(error.code)) {
      this.#stoppedBy = error;
      for (const id of this.#wants.keys()) this.#hooks.onProgress(id, "errored", error, true);
      return;
    }
    for (const id of this.#asked) this.#hooks.onProgress(id, "attempting", error);
    this.#watchOverdue();
    this.#tellIn(this.#retry.next());
  }

  /** The server did not take the set; nothing was changed. */
  #onRefused(error: StageError) {
    this.#told = undefined;
    const isPassing = PASSING.includes(error.code);
    const there = new Set(this.#live?.places.ids);
    for (const id of this.#asked.filter(one => !there.has(one))) {
      if (isPassing) this.#onRefusedForNow(id, error);
      else this.#hooks.onProgress(id, "errored", error, true);
    }
    if (isPassing) this.#tellAgain();
  }

  /** Forgets the connection. */
  #drop(next?: string) {
    clearTimeout(this.#healTimer);
    const live = this.#live;
    this.#live = undefined;
    this.#id = next;
    this.#told = undefined;
    this.#refusedSince.clear();
    this.#isRefusalTold.clear();
    live?.peer.close();
    live?.places.clear();
  }

  /** Whether messages of anybody are read. */
  get #doesRead() {
    return [...this.#wants.values()].some(want => want.readsMessages);
  }

  #readMessages(live: Live) {
    for (const id of live.places.ids) {
      const receiver = live.places.videoReceiver(id);
      if (receiver && this.#wants.get(id)?.readsMessages) this.#readFrom(live, receiver);
    }
  }

  /** Reads messages in what a receiver receives, whoever it is of at the time. */
  #readFrom(live: Live, receiver: RTCRtpReceiver) {
    if (live.read.has(receiver)) return;
    const isRead = readMessages(receiver, message => {
      const id = live.places.ids.find(one => live.places.videoReceiver(one) === receiver);
      if (id && this.#wants.get(id)?.readsMessages) this.#hooks.onMessage(id, message);
    });
    if (isRead) live.read.add(receiver);
  }

  /** Whether media flows, or nothing is wanted. */
  get #isWell() {
    return this.#wants.size === 0 || this.#live?.peer.connectionState === "connected";
  }

  #watchOverdue() {
    if (this.#isWell) {
      clearTimeout(this.#overdueTimer);
      this.#overdueTimer = undefined;
      return;
    }
    this.#overdueTimer ??= setTimeout(() => {
      const message = `nothing is received after ${OVERDUE_MS / 1000} s`;
      const error = new StageError(message, { code: "TIMEOUT", category: "SUBSCRIBE_ERROR" });
      for (const id of this.#asked) this.#hooks.onProgress(id, "errored", error);
    }, OVERDUE_MS);
  }
}

/** A want as RECEIVE_CONFIGURE has it. */
export function describe(want: ReceiveWant) {
  return {
    remoteParticipantId: want.id,
    media: want.media,
    priority: want.priority,
    ...(want.isHighestFirst && { initialLayerPreference: "HIGHEST_QUALITY" }),
    ...(want.preferredLayer !== undefined && { preferredLayer: want.preferredLayer }),
    ...(want.maxHeight !== undefined && { maxHeight: want.maxHeight }),
  };
}

function errorOf(payload: Record<string, unknown>): StageError {
  const code = typeof payload.code === "string" ? payload.code : "FAILED";
  const message = typeof payload.message === "string" ? payload.message : code;
  return new StageError(message, { code, category: "SUBSCRIBE_ERROR" });
}
