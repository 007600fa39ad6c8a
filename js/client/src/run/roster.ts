/** The participants of a stage and their streams, as the application is given them. */

import type { Kind, Listed, Permissions } from "../engine/state.js";
import type { ReceivedTracks } from "../receive/receiver.js";
import { StageParticipantCapabilities, StreamType } from "../stage/enums.js";
import type { StageParticipantInfo } from "../stage/participant.js";
import { type LayerNews, RemoteStageStream } from "../streams/remote_stream.js";

const { PUBLISH, SUBSCRIBE } = StageParticipantCapabilities;

/** The parts of an info that applications must not set. */
type Writable = { -readonly [Name in keyof StageParticipantInfo]: StageParticipantInfo[Name] };

/** A remote participant. */
export interface Seat {
  info: StageParticipantInfo;
  streams: Partial<Record<Kind, RemoteStageStream>>;
  /** The received tracks of which the streams have copies. */
  sources: Partial<Record<Kind, MediaStreamTrack>>;
  /** What is received; the application is told of it by and by. */
  arrived: ReceivedTracks;
  /** What was said of a stream that was not there yet. */
  isMuted: Partial<Record<Kind, boolean>>;
  /** What was said of the layers of pictures that were not there yet. */
  news: LayerNews;
}

/** What is known of the local participant from its token. */
export function localInfo(
  payload: { jti: string; user_id?: string; attributes?: Record<string, string> },
  may: Permissions,
): StageParticipantInfo {
  const info = { id: payload.jti, isLocal: true, isReplica: false } as Writable;
  Object.assign(info, { isPublishing: false, audioMuted: false, videoStopped: false });
  renewLocal(info, payload, may);
  return info;
}

/** Takes what an exchanged token says. */
export function renewLocal(
  info: StageParticipantInfo,
  payload: { user_id?: string; attributes?: Record<string, string> },
  may: Permissions,
) {
  const attributes = { ...payload.attributes };
  const capabilities = new Set(may.publish ? [PUBLISH] : []);
  Object.assign(info, { userId: payload.user_id ?? "", attributes, userInfo: attributes, capabilities });
}

export class Roster {
  readonly #seats = new Map<string, Seat>();

  get(id: string): Seat | undefined {
    return this.#seats.get(id);
  }

  all(): Seat[] {
    return [...this.#seats.values()];
  }

  /** A participant that has come. */
  add(listed: Listed, maySubscribe: boolean): Seat {
    const info = { id: listed.id, isLocal: false } as Writable;
    info.capabilities = new Set(maySubscribe ? [SUBSCRIBE] : []);
    const isMuted = { audio: listed.audioMuted, video: listed.videoStopped };
    const seat: Seat = { info, streams: {}, sources: {}, arrived: {}, isMuted, news: {} };
    this.#seats.set(listed.id, seat);
    info.audioMuted = listed.audioMuted;
    info.videoStopped = listed.videoStopped;
    this.renew(listed);
    return seat;
  }

  /** Takes what the server says of a participant anew, except for mutes. */
  renew(listed: Listed) {
    const info = this.#seats.get(listed.id)?.info as Writable | undefined;
    if (!info) return;
    info.userId = listed.userId;
    info.attributes = { ...listed.attributes };
    info.userInfo = info.attributes;
    info.isPublishing = listed.isPublishing;
    info.isReplica = listed.isReplica;
    if (listed.sourceStageArn !== undefined) info.sourceStageArn = listed.sourceStageArn;
  }

  remove(id: string): Seat | undefined {
    const seat = this.#seats.get(id);
    this.#seats.delete(id);
    if (seat) seat.info.isPublishing = false;
    return seat;
  }
}

/** Whether what is received of a kind differs from the stream that the application has. */
export function isOther(seat: Seat, tracks: ReceivedTracks, kind: Kind): boolean {
  const source = seat.sources[kind];
  return source !== undefined && tracks[kind] !== undefined && source !== tracks[kind].track;
}

/** Says that a kind is muted or not: in the info, and in the stream, if there is one. Returns the stream if that changed it. */
export function setMuted(seat: Seat, kind: Kind, isMuted: boolean): RemoteStageStream | undefined {
  seat.isMuted[kind] = isMuted;
  if (kind === "audio") seat.info.audioMuted = isMuted;
  else seat.info.videoStopped = isMuted;
  const stream = seat.streams[kind];
  return stream?.takeMuted(isMuted) ? stream : undefined;
}

/**
 * Makes the streams of what has arrived. Each has a copy of the track, which ends with the stream: the browser's own one may be another
 * participant's later, and a page that goes on showing an old stream must not show somebody else.
 */
export function makeStreams(
  seat: Seat,
  kinds: readonly Kind[],
  hooks: { onHeight: (lines: number | undefined) => void; onMuted: (stream: RemoteStageStream) => void },
): RemoteStageStream[] {
  return kinds.flatMap(kind => {
    const received = seat.arrived[kind];
    if (!received) return [];
    const stream: RemoteStageStream = new RemoteStageStream(received.track.clone(), received.receiver, {
      onHeight: lines => stream.streamType === StreamType.VIDEO && hooks.onHeight(lines),
      onMuted: () => hooks.onMuted(stream),
    });
    seat.streams[kind] = stream;
    seat.sources[kind] = received.track;
    stream.takeMuted(seat.isMuted[kind] ?? false);
    return [stream];
  });
}

/** Ends the streams of these kinds. */
export function endStreams(seat: Seat, kinds: readonly Kind[]): RemoteStageStream[] {
  return kinds.flatMap(kind => {
    const stream = seat.streams[kind];
    delete seat.streams[kind];
    delete seat.sources[kind];
    stream?.end();
    return stream ?? [];
  });
}
