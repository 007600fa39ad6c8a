/** What the offers of the one receiving connection say. Pure. */

/** A participant's part of a connection: its media sections, by their mid. */
export interface StreamPlace {
  id: string;
  audioMid: string | undefined;
  videoMid: string | undefined;
}

export interface ReceiveOffer {
  connectionId: string;
  revision: number;
  sdp: string;
  streams: StreamPlace[];
  iceServers: RTCIceServer[];
}

/** A participant's state in the server's answer to RECEIVE_CONFIGURE. */
export interface ReceiveState {
  id: string;
  state: "ATTACHED" | "WAITING" | "REFUSED";
  code: string;
  message: string;
}

/** Most relays that are taken, as of an answer over HTTP. */
const ICE_SERVERS_MAX = 4;

const text = (value: unknown) => (typeof value === "string" && value ? value : undefined);
const objects = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter(one => typeof one === "object" && one !== null) : [];

/**
 * Reads the payload of RECEIVE_OFFER; `undefined` if it is not one.
 * @param before What comes before a stream's participant in its id; a stream without it is left out.
 */
export function readOffer(
  payload: Record<string, unknown>,
  before: (stream: Record<string, unknown>) => string | undefined = () => "",
): ReceiveOffer | undefined {
  const connectionId = text(payload.connectionId);
  const sdp = text(payload.sdp);
  const { revision } = payload;
  if (!connectionId || !sdp || typeof revision !== "number") return undefined;
  const streams = objects(payload.streams).flatMap(one => {
    const id = text(one.remoteParticipantId);
    const name = before(one);
    if (!id || name === undefined) return [];
    return [{ id: `${name}${id}`, audioMid: text(one.audioMid), videoMid: text(one.videoMid) }];
  });
  const iceServers = objects(payload.iceServers)
    .flatMap(({ urls, username, credential }) => {
      const known =
        text(urls) ?? (Array.isArray(urls) ? urls.filter(url => typeof url === "string") : undefined);
      return known ? [{ urls: known, username: text(username), credential: text(credential) }] : [];
    })
    .slice(0, ICE_SERVERS_MAX);
  return { connectionId, sdp, revision, streams, iceServers };
}

/** Reads the states of RECEIVE_CONFIGURED or RECEIVE_STATE. */
export const readStates = (payload: Record<string, unknown>) => readReceived(payload.receive);

/** Reads a list of states. @param before What comes before a participant in its id. */
export function readReceived(receive: unknown, before = ""): ReceiveState[] {
  return objects(receive).flatMap(one => {
    const id = text(one.remoteParticipantId);
    const state = one.state;
    if (!id || (state !== "ATTACHED" && state !== "WAITING" && state !== "REFUSED")) return [];
    const code = text(one.code) ?? "FAILED";
    return [{ id: `${before}${id}`, state, code, message: text(one.message) ?? code }];
  });
}
