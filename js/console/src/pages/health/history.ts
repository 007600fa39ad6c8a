/** The last minutes of the server's figures, as far as this page was open. */

import { type Metrics, total } from "./metrics";

/** How long figures are kept. */
const KEPT_MS = 5 * 60_000;
/** Readings at most; at one every two seconds these are the five minutes. */
const READINGS_MAX = 160;
/** What is counted of connections is counted once in this time. */
const SURVEY_S = 5;
/** Over how long the rates of what is counted of connections are taken, so that each has counted. */
const SURVEY_SPAN_MS = 15_000;

export interface Reading {
  /** By the server's clock. */
  atMs: number;
  metrics: Metrics;
}

/** A value over time; undefined where it is not known. */
export interface Point {
  atMs: number;
  value: number | undefined;
}

/** The readings with one more, without those that are too old. One of another run of the server begins anew. */
export function added(readings: Reading[], next: Reading): Reading[] {
  const last = readings.at(-1);
  const start = ({ metrics }: Reading) => total(metrics, "restage_start_time_seconds");
  const isOther = last && (start(last) !== start(next) || next.atMs < last.atMs);
  if (last?.atMs === next.atMs) return readings;
  const kept = isOther ? [] : readings.filter(({ atMs }) => next.atMs - atMs <= KEPT_MS);
  return [...kept, next].slice(-READINGS_MAX);
}

/** A figure that is what it is at each moment. */
export const gauge = (readings: Reading[], name: string, labels?: Record<string, string>): Point[] =>
  readings.map(({ atMs, metrics }) => ({ atMs, value: total(metrics, name, labels) }));

/** How much a counter grows in a second. */
export function rate(
  readings: Reading[],
  name: string,
  { labels, spanMs = 0 }: { labels?: Record<string, string>; spanMs?: number } = {},
): Point[] {
  return readings.map(({ atMs, metrics }, at) => {
    const before = earlier(readings, at, spanMs);
    const [now, then] = [total(metrics, name, labels), before && total(before.metrics, name, labels)];
    if (!before || now === undefined || then === undefined) return { atMs, value: undefined };
    return { atMs, value: (1000 * (now - then)) / (atMs - before.atMs) };
  });
}

/** The reading before another one, or the first that is this much older. */
function earlier(readings: Reading[], at: number, spanMs: number): Reading | undefined {
  const own = readings[at];
  let found = readings[at - 1];
  for (let before = at - 2; before >= 0 && own && found && own.atMs - found.atMs < spanMs; before--) {
    found = readings[before];
  }
  return found;
}

/** What all connections carry together, in bits per second, of a distribution in which each counts every five seconds. */
export const carried = (readings: Reading[], name: string): Point[] =>
  rate(readings, `${name}_sum`, { spanMs: SURVEY_SPAN_MS }).map(({ atMs, value }) => ({
    atMs,
    value: value === undefined ? undefined : value * SURVEY_S,
  }));

/** The mean of such a distribution; undefined while nothing counts. */
export function mean(readings: Reading[], name: string): Point[] {
  const sums = rate(readings, `${name}_sum`, { spanMs: SURVEY_SPAN_MS });
  const counts = rate(readings, `${name}_count`, { spanMs: SURVEY_SPAN_MS });
  return sums.map(({ atMs, value }, at) => {
    const count = counts[at]?.value;
    return { atMs, value: value !== undefined && count ? value / count : undefined };
  });
}

/**
 * The processor time of a packet in microseconds, at most: as if all workers had the load of the busiest. A packet counts when it comes
 * and for each viewer that it goes to.
 */
export function costs(readings: Reading[]): Point[] {
  const received = rate(readings, "restage_media_packets_received_total");
  const forwarded = rate(readings, "restage_media_packets_forwarded_total");
  return readings.map(({ atMs, metrics }, at) => {
    const packets = (received[at]?.value ?? 0) + (forwarded[at]?.value ?? 0);
    const load = total(metrics, "restage_media_load");
    const workers = total(metrics, "restage_media_workers");
    if (packets <= 0 || load === undefined || workers === undefined) return { atMs, value: undefined };
    return { atMs, value: (1_000_000 * load * workers) / packets };
  });
}
