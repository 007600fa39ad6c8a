/** Publishes the streams of a stage by WHIP. */

import { StageError as ConnectionError } from "../connections/errors.js";
import { prefer, restrict } from "../connections/layers.js";
import type { StageEvents } from "../connections/listen.js";
import { MediaSession } from "../connections/session.js";
import { decodeToken } from "../connections/signalling.js";
import { OVERDUE_MS } from "../receive/receiver.js";
import { Inserter } from "../sei/inserter.js";
import { StreamType } from "../stage/enums.js";
import type { LocalStageStream } from "../streams/local_stream.js";
import { encodingsFor, withStereo } from "../streams/simulcast.js";
import { stateOf } from "../streams/track_state.js";

export interface PublisherHooks {
  /** `isFinal`: it is not tried again. `isReplaced`: because another connection with the token has the place. */
  onProgress(
    attempt: number,
    progress: "attempting" | "done" | "errored",
    error?: ConnectionError,
    isFinal?: boolean,
    isReplaced?: boolean,
  ): void;
  /** A track that is published has ended. */
  onEnded(): void;
}

export interface PublisherSetup {
  /** Of the stage. */
  events: StageEvents;
  hooks: PublisherHooks;
  /** The present participant token. */
  token: () => string;
  /** Further headers of offers. */
  headers?: Record<string, string>;
}

/** What is sent over one connection. */
interface Publication {
  attempt: number;
  session: MediaSession;
  streams: LocalStageStream[];
  /** Ends listening to the streams' mutes and ends. */
  unwatch: (() => void)[];
  inserter: Inserter | undefined;
  overdue: ReturnType<typeof setTimeout> | undefined;
}

/** Publications that begin at once, one after the other; then one a second. Answers of a strategy can alternate faster than connections end. */
const STARTS_MAX = 3;
const START_EVERY_MS = 1000;

const kindOf = (stream: LocalStageStream) => (stream.streamType === StreamType.AUDIO ? "audio" : "video");

export class Publisher {
  readonly #setup: PublisherSetup;
  #current: Publication | undefined;
  /** What is published as soon as there may be another connection. */
  #next: { attempt: number; streams: LocalStageStream[] } | undefined;
  #nextTimer: ReturnType<typeof setTimeout> | undefined;
  /** When the last connections were begun, at most {@link STARTS_MAX}. */
  #startedAt: number[] = [];

  constructor(setup: PublisherSetup) {
    this.#setup = setup;
  }

  /** Publishes these streams; what was published before ends as soon as they take its place. */
  start(attempt: number, streams: LocalStageStream[]) {
    clearTimeout(this.#nextTimer);
    const waitMs = this.#waitMs();
    this.#next = { attempt, streams };
    if (waitMs > 0) this.#nextTimer = setTimeout(() => this.#begin(), waitMs);
    else this.#begin();
  }

  /** How long there may be no other connection. */
  #waitMs() {
    const [first] = this.#startedAt;
    if (this.#startedAt.length < STARTS_MAX) return 0;
    return Math.max(0, first + STARTS_MAX * START_EVERY_MS - performance.now());
  }

  #begin() {
    if (!this.#next) return;
    const { attempt, streams } = this.#next;
    this.#next = undefined;
    this.#startedAt = [...this.#startedAt, performance.now()].slice(-STARTS_MAX);
    const before = this.#current;
    const { events, token, headers } = this.#setup;
    const session = new MediaSession(
      decodeToken(token()).whip_url,
      token,
      {
        category: "PUBLISH_ERROR",
        prepare: async connection => {
          // The session prepares its first connection while it is being made.
          await undefined;
          this.#prepare(connection, publication);
        },
        tracks: () => publication.streams.map(stream => stream.mediaStreamTrack),
        mutesItself: true,
        readAnswer: answer =>
          publication.streams.some(one => one.mediaConfig.stereo) ? withStereo(answer) : answer,
      },
      { events, headers },
    );
    const publication: Publication = {
      ...{ attempt, session, streams, unwatch: [] },
      ...{ inserter: undefined, overdue: undefined },
    };
    this.#current = publication;
    this.#watchTracks(publication);
    session.addEventListener("statechange", () => {
      if (before && session.state !== "connecting") this.#end(before);
      this.#onState(publication);
    });
    this.#watchOverdue(publication);
  }

  /** Sends other tracks of the same kinds over the same connection. */
  replace(attempt: number, streams: LocalStageStream[]) {
    if (this.#next?.attempt === attempt) this.#next = { attempt, streams };
    const publication = this.#current;
    if (publication?.attempt !== attempt) return;
    const senders = publication.session.connection?.getSenders() ?? [];
    for (const stream of streams) {
      const former = publication.streams.find(one => one.streamType === stream.streamType);
      const { mediaStreamTrack: track } = stream;
      if (!former || former.mediaStreamTrack === track) continue;
      const { sender, inserter } = stateOf(former.mediaStreamTrack);
      stateOf(former.mediaStreamTrack).sender = undefined;
      stateOf(former.mediaStreamTrack).inserter = undefined;
      Object.assign(stateOf(track), { sender, inserter });
      const own = senders.find(one => one.track === former.mediaStreamTrack);
      // A connection that is just ending refuses; the next one begins with the new track.
      own?.replaceTrack(track).catch(() => {});
    }
    publication.streams = streams;
    this.#watchTracks(publication);
  }

  /** Publishes nothing any more. */
  stop() {
    clearTimeout(this.#nextTimer);
    this.#next = undefined;
    if (this.#current) this.#end(this.#current);
    this.#current = undefined;
  }

  #end(publication: Publication) {
    clearTimeout(publication.overdue);
    for (const unwatch of publication.unwatch.splice(0)) unwatch();
    publication.session.close();
    publication.inserter?.close();
    for (const stream of publication.streams) {
      const state = stateOf(stream.mediaStreamTrack);
      if (state.inserter === publication.inserter) state.inserter = undefined;
      if (this.#current === publication) state.sender = undefined;
    }
  }

  #prepare(connection: RTCPeerConnection, publication: Publication) {
    publication.inserter?.close();
    publication.inserter = undefined;
    const together = new MediaStream();
    for (const { mediaStreamTrack: track, mediaConfig: config } of publication.streams) {
      const isVideo = track.kind === "video";
      const sendEncodings = isVideo
        ? encodingsFor(config, track.getSettings())
        : [{ maxBitrate: config.maxAudioBitrateKbps * 1000 }];
      const transceiver = connection.addTransceiver(track, {
        direction: "sendonly",
        streams: [together],
        sendEncodings,
      });
      if (isVideo && config.videoCodec) restrict(transceiver, config.videoCodec);
      // Every browser has it, and messages in pictures need it.
      else if (isVideo) prefer(transceiver, "H264");
      const state = stateOf(track);
      state.sender = transceiver.sender;
      if (isVideo && config.inBandMessaging.enabled) {
        publication.inserter = Inserter.of(transceiver.sender);
        state.inserter = publication.inserter;
      }
    }
  }

  #watchTracks(publication: Publication) {
    for (const unwatch of publication.unwatch.splice(0)) unwatch();
    for (const stream of publication.streams) {
      const kind = kindOf(stream);
      const tell = () => publication.session.setMuted(kind, stream.isMuted);
      publication.unwatch.push(stateOf(stream.mediaStreamTrack).watch(tell));
      tell();
      const { mediaStreamTrack: track } = stream;
      const onEnded = () => this.#setup.hooks.onEnded();
      track.addEventListener?.("ended", onEnded);
      publication.unwatch.push(() => track.removeEventListener?.("ended", onEnded));
    }
  }

  #onState(publication: Publication) {
    if (this.#current !== publication) return;
    const { attempt, session } = publication;
    const { hooks } = this.#setup;
    this.#watchOverdue(publication);
    switch (session.state) {
      case "live":
        hooks.onProgress(attempt, "done");
        break;
      case "failed":
        this.stop();
        hooks.onProgress(attempt, "errored", session.error, true, session.error?.code === "REPLACED");
        break;
      case "closed":
        break;
      default:
        hooks.onProgress(attempt, "attempting");
    }
  }

  #watchOverdue(publication: Publication) {
    const { attempt, session } = publication;
    if (["live", "failed", "closed"].includes(session.state)) {
      clearTimeout(publication.overdue);
      publication.overdue = undefined;
      return;
    }
    publication.overdue ??= setTimeout(() => {
      if (this.#current !== publication) return;
      const message = `nothing is published after ${OVERDUE_MS / 1000} s`;
      const late = new ConnectionError(message, { code: "TIMEOUT", category: "PUBLISH_ERROR" });
      this.#setup.hooks.onProgress(attempt, "errored", session.error ?? late);
    }, OVERDUE_MS);
  }
}
