/** The calls of the page of the server's health. */

import { call } from "./transport";

export interface Health {
  isReady: boolean;
  /** Why it is not ready, or what is to be known although it is. */
  sentences: string[];
  /** The server's clock, in milliseconds since 1970. */
  nowMs: number;
  /** As `/metrics` has them: OpenMetrics text. */
  metrics: string;
}

/** What a check has found. */
export interface Finding {
  check: string;
  verdict: "ok" | "off" | "warn" | "fail";
  sentence: string;
}

export const fetchHealth = () => call<Health>("health");

export const fetchDoctor = async (): Promise<Finding[]> =>
  (await call<{ findings: Finding[] }>("doctor")).findings;
