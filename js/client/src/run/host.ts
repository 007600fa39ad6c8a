/** What the parts of a stage know of it. */

import type { TokenPayload } from "../connections/signalling.js";
import type { ReceiverSetup } from "../receive/receiver.js";
import type { TypedEmitter } from "../stage/emitter.js";
import type { StageEventMap } from "../stage/events.js";
import type { StageParticipantInfo } from "../stage/participant.js";
import type { StageStrategy } from "../stage/strategy.js";

export interface Host {
  readonly emit: TypedEmitter<StageEventMap>["emit"];
  readonly local: StageParticipantInfo;
  /** The present ones. */
  strategy(): StageStrategy;
  token(): string;
  payload(): TokenPayload;
  /** Whether the token allows to subscribe. */
  maySubscribe(): boolean;
  /** What shows a connection token, if there is one: headers of requests and sub-protocols of the socket. */
  credentials(): { headers?: Record<string, string>; protocols?: string[] };
  /** Receives by the connection that several stages share, if there is one. */
  readonly shared: ReceiverSetup["shared"];
  /** The stage was left. */
  onLeft(): void;
}
