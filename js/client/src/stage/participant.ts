/** What is known of a participant. */

import type { StageParticipantCapabilities } from "./enums.js";

/** A participant as events and strategies are given it. The same object as long as it is there; what changes is set in it. */
export interface StageParticipantInfo {
  readonly id: string;
  readonly userId: string;
  /** Of its token, or of the replication's overrides. */
  readonly attributes: Record<string, unknown>;
  /** The same as `attributes`. */
  readonly userInfo: Record<string, unknown>;
  readonly isLocal: boolean;
  /** For the local participant PUBLISH if its token allows that; for others SUBSCRIBE if one may subscribe to them. */
  readonly capabilities: Set<StageParticipantCapabilities>;
  isPublishing: boolean;
  /** Whether it says that its sound is muted. */
  audioMuted: boolean;
  /** Whether it says that its pictures are stopped. */
  videoStopped: boolean;
  /** Whether it is a replica of a participant of another stage. */
  readonly isReplica: boolean;
  /** The ARN of the stage in which a replica publishes; absent for others, and for replicas if the server does not tell. */
  readonly sourceStageArn?: string;
}
