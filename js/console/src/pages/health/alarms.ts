/** What the figures say is wrong; the rules are those of docs/operations.md for alarms. */

import type { Finding } from "../../api/health";
import { counted } from "../../text/names";
import { formatSpan } from "../../text/units";
import { type Reading, rate } from "./history";
import { total } from "./metrics";

/** Load and lag from which on a worker is short of time. */
const LOAD_MAX = 0.8;
const LAG_MAX_S = 0.1;
/** A certificate that ends sooner should have been renewed. */
const CERTIFICATE_S = 7 * 86_400;
/** Events that wait longer than this do not reach their sink. */
const OUTBOX_S = 60;
const SPOOL_AGE_S = 3600;

/** Counters that ought to stand still, and what it means if they do not. */
const STILL: [name: string, check: string, sentence: string][] = [
  [
    "restage_media_datagrams_dropped_total",
    "datagrams",
    "The kernel does not accept all datagrams: packets to viewers are lost on this machine.",
  ],
  [
    "restage_media_addresses_contested_total",
    "addresses",
    "STUN checks come from addresses of other clients: somebody may be forging source addresses.",
  ],
  [
    "restage_recordings_given_up_total",
    "recordings",
    "Recordings are given up: their bucket took nothing for too long.",
  ],
  ["restage_spool_files_lost_total", "spool", "Files were missing in the spool, or had another size."],
];

/** Findings of the last reading, and of how it differs from those before. Empty if nothing is wrong. */
export function alarmsOf(readings: Reading[]): Finding[] {
  const last = readings.at(-1);
  if (!last) return [];
  const found: Finding[] = [];
  const say = (verdict: "warn" | "fail", check: string, sentence: string) =>
    found.push({ check, verdict, sentence });
  const value = (name: string, labels?: Record<string, string>) => total(last.metrics, name, labels) ?? 0;
  if (total(last.metrics, "restage_store_up") === 0) {
    say("fail", "database", "Changes cannot be made durable: the database takes nothing.");
  }
  const [workers, alive] = [value("restage_media_workers"), value("restage_media_workers_alive")];
  if (alive < workers) {
    say("fail", "workers", `${alive} of ${counted(workers, "media worker")} run: restart the server.`);
  }
  const load = value("restage_media_load");
  if (load > LOAD_MAX) {
    say(
      "warn",
      "load",
      `A media worker has a load of ${load.toFixed(2)}: more workers or processors are needed.`,
    );
  }
  const lag = value("restage_media_lag_seconds");
  if (lag > LAG_MAX_S) say("warn", "lag", `Packets wait for ${Math.round(lag * 1000)} ms in a media worker.`);
  const panics = value("restage_panics_total") + value("restage_media_peer_panics_total");
  if (panics > 0) {
    say(
      "fail",
      "panics",
      `${counted(panics, "program error")} since the start: the log has them, please report them.`,
    );
  }
  for (const [name, check, sentence] of STILL) {
    if (rate(readings, name).some(point => (point.value ?? 0) > 0)) say("warn", check, sentence);
  }
  ofOutbox(last, say);
  ofSpool(last, say);
  const end = total(last.metrics, "restage_tls_certificate_end_seconds");
  if (end !== undefined && end * 1000 - last.atMs < CERTIFICATE_S * 1000) {
    const left = end * 1000 - last.atMs;
    say(
      left < 0 ? "fail" : "warn",
      "certificate",
      left < 0 ? "The certificate has ended." : `The certificate ends in ${formatSpan(left)}.`,
    );
  }
  return found;
}

type Say = (verdict: "warn" | "fail", check: string, sentence: string) => void;

function ofOutbox({ metrics }: Reading, say: Say): void {
  for (const { labels, value } of metrics.get("restage_outbox_lag_seconds") ?? []) {
    if (value > OUTBOX_S) {
      say(
        "warn",
        "events",
        `Events have been waiting for the ${labels.sink} for ${formatSpan(value * 1000)}.`,
      );
    }
  }
  for (const { labels, value } of metrics.get("restage_outbox_dead_letters_total") ?? []) {
    if (value > 0)
      say("warn", "events", `${counted(value, "event")} could not be delivered to the ${labels.sink}.`);
  }
}

function ofSpool({ metrics }: Reading, say: Say): void {
  const value = (name: string) => total(metrics, name) ?? 0;
  if (value("restage_spool_missing") > 0) {
    say("fail", "spool", "The spool is missing, and no recording can begin: mount its disk.");
  }
  const level = value("restage_spool_level");
  if (level > 0)
    say(level > 1 ? "fail" : "warn", "spool", level > 1 ? "The spool is full." : "The spool fills up.");
  const failing = value("restage_buckets_failing");
  if (failing > 0) say("warn", "buckets", `${counted(failing, "bucket")} do not accept what is recorded.`);
  const age = value("restage_spool_oldest_age_seconds");
  if (age > SPOOL_AGE_S)
    say("warn", "spool", `What is recorded has been waiting for ${formatSpan(age * 1000)}.`);
}
