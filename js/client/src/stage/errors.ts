/** Errors of stages and shared connections, with the codes of the service's SDK. */

import type { StageError as ConnectionError, ErrorCategory } from "../connections/errors.js";

export enum StageErrorCode {
  TOKEN_MALFORMED = 1,
  TOKEN_EXPIRED = 2,
  TIMEOUT = 3,
  FAILED = 4,
  CANCELED = 5,
  STAGE_AT_CAPACITY = 6,
  CODEC_MISMATCH = 7,
  TOKEN_NOT_ALLOWED = 8,
  STAGE_DELETED = 9,
  PARTICIPANT_DISCONNECTED = 10,
}

export enum StageErrorCategory {
  JOIN_ERROR = "JOIN_ERROR",
  PUBLISH_ERROR = "PUBLISH_ERROR",
  SUBSCRIBE_ERROR = "SUBSCRIBE_ERROR",
}

/** The code of a server's, or of `@restage/client/connections`, as far as the service's SDK has none of that name. */
const NEAREST: Record<string, StageErrorCode> = {
  NO_MEDIA_PATH: StageErrorCode.TIMEOUT,
  DTLS_FAILED: StageErrorCode.TIMEOUT,
  ICE_FAILED: StageErrorCode.TIMEOUT,
  TOKEN_REVOKED: StageErrorCode.TOKEN_NOT_ALLOWED,
  CONNECTION_TOKEN_INVALID: StageErrorCode.TOKEN_MALFORMED,
};

/**
 * Why joining, publishing or subscribing failed. `code` and `category` are the service's; `reason` is the server's more precise name, such
 * as NO_MEDIA_PATH or REPLACED.
 */
export class StageError extends Error {
  static readonly TOKEN_MALFORMED = StageErrorCode.TOKEN_MALFORMED;
  static readonly TOKEN_EXPIRED = StageErrorCode.TOKEN_EXPIRED;
  static readonly TIMEOUT = StageErrorCode.TIMEOUT;
  static readonly FAILED = StageErrorCode.FAILED;
  static readonly CANCELED = StageErrorCode.CANCELED;
  static readonly STAGE_AT_CAPACITY = StageErrorCode.STAGE_AT_CAPACITY;
  static readonly CODEC_MISMATCH = StageErrorCode.CODEC_MISMATCH;
  static readonly TOKEN_NOT_ALLOWED = StageErrorCode.TOKEN_NOT_ALLOWED;
  static readonly STAGE_DELETED = StageErrorCode.STAGE_DELETED;
  static readonly PARTICIPANT_DISCONNECTED = StageErrorCode.PARTICIPANT_DISCONNECTED;

  readonly code: StageErrorCode;
  readonly category: StageErrorCategory;
  readonly reason: string;

  constructor(message: string, code: StageErrorCode, category: StageErrorCategory, reason?: string) {
    super(message);
    this.name = "StageError";
    this.code = code;
    this.category = category;
    this.reason = reason ?? StageErrorCode[code];
  }

  override toString() {
    return `${this.name} ${this.category} ${this.reason} (${this.code}): ${this.message}`;
  }
}

/** The code of the service's SDK that is nearest to a name. */
export function codeOf(name: string): StageErrorCode {
  const own = (StageErrorCode as unknown as Record<string, StageErrorCode | undefined>)[name];
  return typeof own === "number" ? own : (NEAREST[name] ?? StageErrorCode.FAILED);
}

/** The error of a stage for one of a connection. */
export function toStageError(error: ConnectionError, category: ErrorCategory = error.category): StageError {
  return new StageError(error.message, codeOf(error.code), StageErrorCategory[category], error.code);
}

export enum RealTimeConnectionErrorCode {
  CONNECTION_TOKEN_INVALID = 1053,
  CONNECTION_TOKEN_EXPIRED = 1054,
  CONNECTION_FAILED = 1306,
  CONNECTION_NOT_RECOGNIZED = 1312,
}

/** Why a shared connection could not be made or used. */
export class RealTimeConnectionError extends Error {
  readonly code: RealTimeConnectionErrorCode;

  constructor(message: string, code: RealTimeConnectionErrorCode) {
    super(message);
    this.name = "RealTimeConnectionError";
    this.code = code;
  }
}
