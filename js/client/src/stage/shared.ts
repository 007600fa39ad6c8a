/** How a stage uses a shared connection. */

import type { SharedReceiver } from "../receive/shared.js";
import { RealTimeConnectionError, RealTimeConnectionErrorCode } from "./errors.js";
import { type ConnectionEnd, RealTimeConnection } from "./real_time_connection.js";

/** A stage's use of a connection. */
export interface Use {
  /** What shows the connection token. */
  credentials(): { headers: Record<string, string>; protocols: string[] };
  /** Receives for all stages on the connection. */
  receiver(): SharedReceiver;
  /** The stage joins. */
  use(): void;
  /** The stage was left. */
  release(): void;
}

/**
 * Uses a connection for a stage.
 * @param onForced Called when the connection makes the stage leave, with the error unless the application asked for it.
 * @throws {RealTimeConnectionError} CONNECTION_NOT_RECOGNIZED.
 */
export function useConnection(
  connection: RealTimeConnection | undefined,
  onForced: (why: ConnectionEnd, error?: RealTimeConnectionError) => void,
): Use | undefined {
  if (connection === undefined) return undefined;
  if (!(connection instanceof RealTimeConnection)) {
    throw new RealTimeConnectionError(
      "the connection was not made by this copy of the library",
      RealTimeConnectionErrorCode.CONNECTION_NOT_RECOGNIZED,
    );
  }
  const member = { leave: onForced };
  return {
    credentials: () => connection.credentials(),
    receiver: () => connection.receiver(),
    use: () => connection.add(member),
    release: () => connection.remove(member),
  };
}
