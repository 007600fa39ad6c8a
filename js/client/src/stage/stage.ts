/** The stage of an application: the class of the service's SDK. */

import type { TokenPayload } from "../connections/signalling.js";
import type { Host } from "../run/host.js";
import { localInfo, renewLocal } from "../run/roster.js";
import { Runner } from "../run/runner.js";
import { checkExchange, permissionsOf, readToken, trimmed } from "../run/token.js";
import { TypedEmitter } from "./emitter.js";
import { StageEvents, StageLeftReason } from "./enums.js";
import {
  codeOf,
  type RealTimeConnectionError,
  RealTimeConnectionErrorCode,
  StageError,
  StageErrorCategory,
  StageErrorCode,
} from "./errors.js";
import type { StageEventMap } from "./events.js";
import type { StageParticipantInfo } from "./participant.js";
import type { ConnectionEnd, RealTimeConnection } from "./real_time_connection.js";
import { useConnection } from "./shared.js";
import type { StageStrategy } from "./strategy.js";

/** How long the server has for the answer to an exchange. */
const EXCHANGE_TIMEOUT_MS = 10_000;

/** Why a stage was left whose connection ended. */
const LEFT_WITH = {
  asked: StageLeftReason.USER_INITIATED,
  lost: StageLeftReason.REAL_TIME_CONNECTION_FORCED_LEAVE,
  revoked: StageLeftReason.REAL_TIME_CONNECTION_TOKEN_REVOCATION,
};

const { JOIN_ERROR } = StageErrorCategory;

/** Why a join is rejected whose shared connection ended. */
function joinErrorOf(why: ConnectionEnd, { message, code }: RealTimeConnectionError): StageError {
  const reason = why === "revoked" ? "TOKEN_REVOKED" : RealTimeConnectionErrorCode[code];
  return new StageError(message, codeOf(reason), JOIN_ERROR, reason);
}

export interface StageConfiguration {
  /** Joins over a connection that several stages share. */
  connection?: RealTimeConnection;
}

/**
 * A stage, as one participant is in it. It does what its strategy wishes for: publishes, subscribes to others, and brings everything back
 * after an interruption. What happens is told by {@link StageEvents}.
 *
 * ```js
 * const stage = new Stage(token, {
 *   stageStreamsToPublish: () => [microphone, camera],
 *   shouldPublishParticipant: () => true,
 *   shouldSubscribeToParticipant: () => SubscribeType.AUDIO_VIDEO,
 * });
 * stage.on(StageEvents.STAGE_PARTICIPANT_STREAMS_ADDED, (participant, streams) => show(participant, streams));
 * await stage.join();
 * ```
 */
export class Stage extends TypedEmitter<StageEventMap> {
  readonly #runner: Runner;
  readonly #connection: ReturnType<typeof useConnection>;
  readonly #local: StageParticipantInfo;
  #token: string;
  #payload: TokenPayload;
  #strategy: StageStrategy;
  #exchange: Promise<void> = Promise.resolve();

  /**
   * @param token Of CreateParticipantToken, or self-signed. One stage at a time can use it.
   * @throws {StageError} TOKEN_MALFORMED.
   * @throws {RealTimeConnectionError} CONNECTION_NOT_RECOGNIZED, for a connection of another copy of this library.
   */
  constructor(token: string, strategy: StageStrategy, configuration?: StageConfiguration) {
    super();
    this.#token = trimmed(token);
    this.#payload = readToken(this.#token);
    this.#strategy = strategy;
    this.#local = localInfo(this.#payload, permissionsOf(this.#payload));
    this.#connection = useConnection(configuration?.connection, (why, error) =>
      this.#runner.end(LEFT_WITH[why], error && joinErrorOf(why, error)),
    );
    this.#runner = new Runner(this.#host());
    // Applications hand these over without the stage they belong to.
    this.join = this.join.bind(this);
    this.leave = this.leave.bind(this);
    this.refreshStrategy = this.refreshStrategy.bind(this);
    this.replaceStrategy = this.replaceStrategy.bind(this);
    this.exchangeToken = this.exchangeToken.bind(this);
  }

  #host(): Host {
    return {
      emit: super.emit.bind(this),
      local: this.#local,
      strategy: () => this.#strategy,
      token: () => this.#token,
      payload: () => this.#payload,
      maySubscribe: () => permissionsOf(this.#payload).subscribe,
      credentials: () => this.#connection?.credentials() ?? {},
      shared: (hooks, onUnknown) => {
        const { topic: stageId, jti: participantId } = this.#payload;
        return this.#connection?.receiver().use({ stageId, participantId }, hooks, onUnknown);
      },
      onLeft: () => this.#connection?.release(),
    };
  }

  /**
   * Joins the stage. Resolves once it is connected; publishing and subscribing follow by the strategy.
   * @throws {StageError} (rejects) When the server refuses, no socket can be opened, nothing was reached for 30 seconds, the shared
   * connection ended (`reason` TOKEN_REVOKED or CONNECTION_FAILED …), or the stage was left meanwhile. All but the last are told by ERROR too.
   * @throws {RealTimeConnectionError} (rejects) CONNECTION_TOKEN_EXPIRED, for a stage on a shared connection.
   */
  async join(): Promise<void> {
    this.#connection?.use();
    await this.#runner.join();
  }

  /** Leaves: unpublishes, removes all streams, closes all connections. It can be joined again. */
  leave() {
    this.#runner.leave(StageLeftReason.USER_INITIATED);
  }

  /** Asks the strategy again and does what differs; what failed is tried again. Costs next to nothing where nothing differs. */
  refreshStrategy() {
    this.#runner.refresh(true);
  }

  /** Puts another strategy in place of the present one, and asks it. */
  replaceStrategy(strategy: StageStrategy) {
    this.#strategy = strategy;
    this.refreshStrategy();
  }

  /**
   * Goes on with another token of the same participant: with other capabilities, attributes or user id, without an interruption. Only self-signed
   * tokens can be exchanged. A token that gains `publish` has the strategy asked; one that loses it unpublishes.
   * @throws {StageError} (rejects) When a member differs that must not, the server refuses, or the stage is not connected. Then the former
   * token stays in use.
   */
  exchangeToken(token: string): Promise<void> {
    const exchanged = this.#exchange.then(() => this.#exchangeNow(trimmed(token)));
    this.#exchange = exchanged.catch(() => {});
    return exchanged;
  }

  async #exchangeNow(token: string) {
    const payload = readToken(token);
    checkExchange(this.#payload, payload);
    if (this.#runner.phase !== "out") await this.#askServer(token);
    const { user_id: userId, attributes } = this.#payload;
    this.#token = token;
    this.#payload = payload;
    renewLocal(this.#local, payload, permissionsOf(payload));
    this.#runner.onExchanged();
    const isOther =
      JSON.stringify([userId, attributes]) !== JSON.stringify([payload.user_id, payload.attributes]);
    if (isOther && this.#runner.phase !== "out") {
      this.emit(StageEvents.STAGE_PARTICIPANT_METADATA_CHANGED, this.#local);
    }
  }

  async #askServer(token: string) {
    const { socket } = this.#runner;
    if (!socket || this.#runner.phase !== "in") {
      throw new StageError(
        "a token is exchanged while the stage is connected",
        StageErrorCode.FAILED,
        JOIN_ERROR,
      );
    }
    const answered = new AbortController();
    const answer = new Promise<void>((resolve, reject) => {
      const fail = (code: string, message: string) =>
        reject(new StageError(message, codeOf(code), JOIN_ERROR, code));
      const onMessage = (event: Event) => {
        const { type, payload } = (
          event as Event & { message: { type: string; payload: Record<string, unknown> } }
        ).message;
        if (type === "TOKEN_EXCHANGED") resolve();
        if (type === "TOKEN_EXCHANGE_ERROR") fail(`${payload.code}`, `${payload.message}`);
      };
      const { signal } = answered;
      socket.addEventListener("message", onMessage, { signal });
      socket.addEventListener("statechange", () => fail("CANCELED", "the connection was lost"), { signal });
      const late = setTimeout(() => fail("TIMEOUT", "no answer to the exchange"), EXCHANGE_TIMEOUT_MS);
      signal.addEventListener("abort", () => clearTimeout(late));
    });
    socket.tell("TOKEN_EXCHANGE", { token });
    await answer.finally(() => answered.abort());
  }
}
