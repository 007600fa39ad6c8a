/** Tells the application what the engine says, as the events of the service's SDK. */

import type { Action, ConnectionState, Kind, Progress } from "../engine/state.js";
import {
  StageConnectionState,
  StageEvents,
  type StageLeftReason,
  StageParticipantPublishState,
  StageParticipantSubscribeState,
  StreamType,
} from "../stage/enums.js";
import type { LocalStageStream } from "../streams/local_stream.js";
import type { LayerNews } from "../streams/remote_stream.js";
import { stateOf } from "../streams/track_state.js";
import type { Host } from "./host.js";
import { endStreams, makeStreams, type Roster, type Seat, setMuted } from "./roster.js";

type Tell = Extract<Action, { do: "tell" }>;

const CONNECTION: Record<ConnectionState, StageConnectionState> = {
  disconnected: StageConnectionState.DISCONNECTED,
  connecting: StageConnectionState.CONNECTING,
  connected: StageConnectionState.CONNECTED,
  errored: StageConnectionState.ERRORED,
};

const PUBLISH: Record<Progress, StageParticipantPublishState> = {
  none: StageParticipantPublishState.NOT_PUBLISHED,
  attempting: StageParticipantPublishState.ATTEMPTING_PUBLISH,
  done: StageParticipantPublishState.PUBLISHED,
  errored: StageParticipantPublishState.ERRORED,
};

const SUBSCRIBE: Record<Progress, StageParticipantSubscribeState> = {
  none: StageParticipantSubscribeState.NOT_SUBSCRIBED,
  attempting: StageParticipantSubscribeState.ATTEMPTING_SUBSCRIBE,
  done: StageParticipantSubscribeState.SUBSCRIBED,
  errored: StageParticipantSubscribeState.ERRORED,
};

/** What it asks, and reports. */
export interface TellerHooks {
  /** The stream of a track that is published. */
  streamOf(trackId: string): LocalStageStream | undefined;
  /** How many lines of a participant's pictures are shown. */
  onHeight(id: string, lines: number | undefined): void;
  /** A participant has new streams. */
  onStreams(seat: Seat): void;
}

export class Teller {
  readonly #host: Host;
  readonly #roster: Roster;
  readonly #hooks: TellerHooks;
  /** The own streams of which the application was told, by their tracks, and what ends listening to their mutes. */
  readonly #own = new Map<string, { stream: LocalStageStream; unwatch: () => void }>();

  constructor(host: Host, roster: Roster, hooks: TellerHooks) {
    this.#host = host;
    this.#roster = roster;
    this.#hooks = hooks;
  }

  tell(action: Tell) {
    const { emit, local } = this.#host;
    switch (action.what) {
      case "connection":
        emit(StageEvents.STAGE_CONNECTION_STATE_CHANGED, CONNECTION[action.state]);
        break;
      case "left":
        emit(StageEvents.STAGE_LEFT, action.reason as StageLeftReason);
        break;
      case "localJoined":
        emit(StageEvents.STAGE_PARTICIPANT_JOINED, local);
        break;
      case "localGone":
        emit(StageEvents.STAGE_PARTICIPANT_LEFT, local);
        break;
      case "publishState":
        local.isPublishing = action.progress === "done";
        emit(StageEvents.STAGE_PARTICIPANT_PUBLISH_STATE_CHANGED, local, PUBLISH[action.progress]);
        break;
      case "localStreamsAdded":
        this.#showOwn(action.streams.map(({ trackId }) => trackId));
        break;
      case "localStreamsRemoved":
        this.#hideOwn(action.streams.map(({ trackId }) => trackId));
        break;
      default:
        this.#tellOfRemote(action);
    }
  }

  /** Tells what the server says of a participant's layers; what comes before the stream is told with it. */
  tellLayers(seat: Seat, news: LayerNews) {
    const stream = seat.streams.video;
    if (!stream) {
      seat.news = { ...seat.news, ...news };
      return;
    }
    const { emit } = this.#host;
    const { info } = seat;
    const wasAdapting = stream.isAdapting;
    stream.takeLayers(news);
    if (news.layers) emit(StageEvents.STAGE_STREAM_LAYERS_CHANGED, info, stream, stream.getLayers());
    if (news.selection) {
      const { layer, reason } = news.selection;
      emit(StageEvents.STAGE_STREAM_LAYER_SELECTED, info, stream, layer, reason);
    }
    if (stream.isAdapting !== wasAdapting) {
      emit(StageEvents.STAGE_STREAM_ADAPTION_CHANGED, info, stream, stream.isAdapting);
    }
  }

  #tellOfRemote(action: Tell) {
    const { emit } = this.#host;
    const id = "info" in action ? action.info.id : "id" in action ? action.id : "";
    if (action.what === "joined") {
      const seat = this.#roster.add(action.info, this.#host.maySubscribe());
      emit(StageEvents.STAGE_PARTICIPANT_JOINED, seat.info);
      return;
    }
    const seat = this.#roster.get(id);
    if (!seat) return;
    switch (action.what) {
      case "gone":
        this.#roster.remove(id);
        emit(StageEvents.STAGE_PARTICIPANT_LEFT, seat.info);
        break;
      case "metadata":
        this.#roster.renew(action.info);
        emit(StageEvents.STAGE_PARTICIPANT_METADATA_CHANGED, seat.info);
        break;
      case "muted":
        for (const kind of action.kinds) {
          const isMuted = kind === "audio" ? action.info.audioMuted : action.info.videoStopped;
          const stream = setMuted(seat, kind, isMuted);
          if (stream) emit(StageEvents.STAGE_STREAM_MUTE_CHANGED, seat.info, stream);
        }
        break;
      case "subscribeState":
        emit(StageEvents.STAGE_PARTICIPANT_SUBSCRIBE_STATE_CHANGED, seat.info, SUBSCRIBE[action.progress]);
        break;
      case "streamsAdded":
        this.#show(seat, action.kinds);
        break;
      case "streamsRemoved":
        emit(StageEvents.STAGE_PARTICIPANT_STREAMS_REMOVED, seat.info, endStreams(seat, action.kinds));
        break;
    }
  }

  #show(seat: Seat, kinds: readonly Kind[]) {
    const { emit } = this.#host;
    const streams = makeStreams(seat, kinds, {
      onHeight: lines => this.#hooks.onHeight(seat.info.id, lines),
      onMuted: stream => emit(StageEvents.STAGE_STREAM_MUTE_CHANGED, seat.info, stream),
    });
    if (streams.length === 0) return;
    emit(StageEvents.STAGE_PARTICIPANT_STREAMS_ADDED, seat.info, streams);
    if (!seat.streams.video || !kinds.includes("video")) return;
    const { news } = seat;
    seat.news = {};
    this.tellLayers(seat, news);
    this.#hooks.onStreams(seat);
  }

  #showOwn(trackIds: string[]) {
    const { emit, local } = this.#host;
    const streams = trackIds.flatMap(trackId => {
      const stream = this.#hooks.streamOf(trackId);
      if (!stream) return [];
      const unwatch = stateOf(stream.mediaStreamTrack).watch(() => {
        this.#noteMute(stream);
        emit(StageEvents.STAGE_STREAM_MUTE_CHANGED, local, stream);
      });
      this.#own.set(trackId, { stream, unwatch });
      this.#noteMute(stream);
      return stream;
    });
    if (streams.length > 0) emit(StageEvents.STAGE_PARTICIPANT_STREAMS_ADDED, local, streams);
  }

  #hideOwn(trackIds: string[]) {
    const streams = trackIds.flatMap(trackId => {
      const own = this.#own.get(trackId);
      this.#own.delete(trackId);
      own?.unwatch();
      return own?.stream ?? [];
    });
    const { emit, local } = this.#host;
    if (streams.length > 0) emit(StageEvents.STAGE_PARTICIPANT_STREAMS_REMOVED, local, streams);
  }

  #noteMute(stream: LocalStageStream) {
    const { local } = this.#host;
    if (stream.streamType === StreamType.AUDIO) local.audioMuted = stream.isMuted;
    else local.videoStopped = stream.isMuted;
  }
}
