/** Reads what the events socket says. Pure. */

import type { StageParticipant } from "../connections/listen.js";
import type { Kind, Listed } from "../engine/state.js";
import { StageStreamLayerSelectedReason } from "../stage/enums.js";
import { type LayerNews, readStageLayer, readStageLayers } from "../streams/remote_stream.js";

type Payload = Record<string, unknown>;

const text = (value: unknown) => (typeof value === "string" ? value : "");

/** The ARN of a stage beside another one: stages of one account and Region are replicated into each other. */
const arnOf = (id: string, beside: string) => beside.replace(/[^/]*$/, id);

/**
 * The participants of a STAGE_STATE.
 * @param arn Of the stage.
 */
export function readListed(participants: readonly StageParticipant[], arn: string): Listed[] {
  return participants.flatMap(one => {
    const { id, userId, attributes, isPublishing, audioMuted, videoStopped, isReplica, sourceStageId } =
      (one ?? {}) as unknown as Payload;
    if (typeof id !== "string" || !id) return [];
    const own = typeof attributes === "object" && attributes !== null ? attributes : {};
    return [
      {
        id,
        userId: text(userId),
        attributes: own as Record<string, string>,
        isPublishing: isPublishing === true,
        audioMuted: audioMuted === true,
        videoStopped: videoStopped === true,
        isReplica: isReplica === true,
        ...(typeof sourceStageId === "string" && { sourceStageArn: arnOf(sourceStageId, arn) }),
      },
    ];
  });
}

/** What a message says of the layers of a participant's pictures; `undefined` if it is about something else. */
export function readLayerNews(type: string, payload: Payload): { id: string; news: LayerNews } | undefined {
  const id = text(payload.remoteParticipantId);
  if (!id) return undefined;
  switch (type) {
    case "STAGE_STREAM_LAYERS_CHANGED":
      return { id, news: { layers: readStageLayers(payload.layers) } };
    case "STAGE_STREAM_LAYER_SELECTED": {
      const { SELECTED, UNAVAILABLE } = StageStreamLayerSelectedReason;
      const reason = payload.reason === "UNAVAILABLE" ? UNAVAILABLE : SELECTED;
      return { id, news: { selection: { layer: readStageLayer(payload.layer), reason } } };
    }
    case "STAGE_STREAM_ADAPTION_CHANGED":
      return { id, news: { isAdapting: payload.isAdapting !== false } };
    default:
      return undefined;
  }
}

/** What a STAGE_STREAM_MUTE_CHANGED says. */
export function readMute(payload: Payload): { id: string; kind: Kind; isMuted: boolean } | undefined {
  const id = text(payload.remoteParticipantId);
  const kind = text(payload.kind).toLowerCase();
  if (!id || (kind !== "audio" && kind !== "video")) return undefined;
  return { id, kind, isMuted: payload.isMuted === true };
}
