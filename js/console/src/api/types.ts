/** What the server's answers have. Operations of the API have the shapes of the service; only members that pages read are here. */

export interface Participant {
  participantId: string;
  userId: string;
  attributes: Record<string, string>;
  state: "CONNECTED" | "DISCONNECTED";
  publishing: boolean;
  replicationType: "SOURCE" | "REPLICA" | "NONE";
  replicationState?: "ACTIVE" | "STOPPED" | null;
  /** Set on replicas. */
  sourceStageArn?: string | null;
  /**
   * What it is of its ingest configuration: the only participant, or of a redundant ingest what viewers see, or the stream of one of the
   * two encoders.
   */
  ingest?: "ONLY" | "COMMON" | "FIRST" | "SECOND" | null;
}

export interface Stage {
  arn: string;
  name: string;
  activeSessionId?: string | null;
  tags?: Record<string, string>;
  participants: Participant[];
  hasMoreParticipants: boolean;
}

/** A participant where it is. */
export interface Seat {
  stage: Stage;
  participant: Participant;
}

/** What `/console/api/state` answers. */
export interface State {
  /** Those with a session in progress. */
  stages: Stage[];
  hasMoreStages: boolean;
  /** The Regions that have stages. */
  regions: string[];
  /** The Region in which the first stage is created. */
  defaultRegion: string;
}

/** A stage as ListStages has it. */
export interface ListedStage {
  arn: string;
  name: string;
  activeSessionId?: string;
  tags?: Record<string, string>;
}

export interface Grant {
  /** A participant token with only the capability SUBSCRIBE. */
  token: string;
  /** With `/` and a participant id appended, it is the address of a subscription. */
  whepUrl: string;
  /** The path of the stage's events socket on this page's origin. */
  eventsUrl: string;
}

export interface NewToken {
  participantId: string;
  token: string;
  expirationTime: string;
}

export interface Replica {
  destinationStageArn: string;
  participantId: string;
  replicationState: "ACTIVE" | "STOPPED";
  sourceSessionId: string;
  destinationSessionId: string;
}

export interface ReplicaPage {
  replicas: Replica[];
  nextToken?: string;
}

export interface PathCheck {
  /** The stage that exists for this check only. */
  stageArn: string;
  /** A participant token with the capability PUBLISH. */
  token: string;
  whipUrl: string;
  /** The server's time, in milliseconds since 1970. */
  nowMs: number;
  /** This device's time at the same moment, as far as it can be known. */
  askedMs: number;
  /** Whether the server's listeners serve TLS. */
  hasTls: boolean;
}

/** A media track as it is counted. */
export interface TrackStats {
  kind: "audio" | "video";
  codec: string | null;
  /** The layer, where there are several. */
  rid?: string;
  label?: string;
  width?: number;
  height?: number;
  /** Bits per second. */
  bitrate: number;
  packets: number;
  packetsLost: number;
  packetsRepaired: number;
  nacks: number;
  keyFrameRequests: number;
  jitterMs: number | null;
}

/** A media connection as the server counts it. */
export interface ConnectionStats {
  session: string;
  participantId: string;
  /** Whom it watches. */
  remoteParticipantId?: string;
  direction: "publish" | "subscribe";
  ageMs: number;
  transport: "udp" | "tcp" | "turn" | null;
  roundTripMs: number | null;
  /** Bits per second. */
  estimate: number | null;
  reserved: number | null;
  /** 0 to 1. */
  loss: number | null;
  isPaused: boolean;
  pauseReason: "NETWORK" | "WISH" | "OVERLOAD" | null;
  tracks: TrackStats[];
}

export interface ConnectionPage {
  connections: ConnectionStats[];
  nextToken?: string;
}
