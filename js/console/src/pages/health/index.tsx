/** How the server does: whether it is ready, its figures over the last minutes, and what it and this browser find. */

import { signal, useSignal } from "@preact/signals";
import { useCallback, useEffect } from "preact/hooks";

import { type Finding, fetchDoctor, fetchHealth } from "../../api/health";
import { Problem, StateBadge } from "../../components/feedback";
import { PageHead } from "../../components/page";
import { usePolled } from "../../components/polled";
import { hrefOf } from "../../routes";
import { describeError, sentence } from "../../text/explain";
import { counted } from "../../text/names";
import { formatMs, formatRate, formatShare, formatSpan } from "../../text/units";
import { lastCheck } from "../network/last";
import { alarmsOf } from "./alarms";
import { browserFindings } from "./browser";
import { Chart } from "./chart";
import { added, carried, costs, gauge, mean, type Reading, rate } from "./history";
import { type Metrics, readMetrics, total } from "./metrics";
import "../network/network.css";
import "./health.css";

const REFRESH_MS = 2000;

/** Kept when the page is left, so that there is a course when somebody comes back. */
const readings = signal<Reading[]>([]);

export function HealthPage() {
  const aheadMs = useSignal(0);
  const polled = usePolled(
    async () => {
      const askedMs = Date.now();
      const health = await fetchHealth();
      aheadMs.value = (askedMs + Date.now()) / 2 - health.nowMs;
      readings.value = added(readings.value, { atMs: health.nowMs, metrics: readMetrics(health.metrics) });
      return health;
    },
    REFRESH_MS,
    "health",
  );
  const health = polled.value;
  const last = readings.value.at(-1);
  return (
    <>
      <PageHead
        title="Health"
        beside={
          health && (
            <StateBadge tone={health.isReady ? "good" : "bad"}>
              {health.isReady ? "ready" : "not ready"}
            </StateBadge>
          )
        }
      />
      <Problem text={polled.problem} id="health-problem" />
      {health?.sentences.map(text => (
        <p key={text} class={health.isReady ? "hint" : "notice"}>
          {sentence(text)}
        </p>
      ))}
      <Charts readings={readings.value} />
      {health && last && (
        <div class="health-panels">
          <section class="panel" aria-labelledby="figures-title" id="health-figures">
            <h2 id="figures-title">Figures</h2>
            <dl class="facts">
              {factsOf(last.metrics, last.atMs).flatMap(([what, how]) => [
                <dt key={`${what} what`}>{what}</dt>,
                <dd key={what}>{how}</dd>,
              ])}
            </dl>
          </section>
          <div class="health-findings">
            <section class="panel" aria-labelledby="alarms-title" id="health-alarms">
              <h2 id="alarms-title">What the figures say</h2>
              <Findings findings={alarmsOf(readings.value)} empty="Nothing is wrong." />
            </section>
            <Browser aheadMs={aheadMs.value} />
            <Doctor />
          </div>
        </div>
      )}
    </>
  );
}

const perSecond = (value: number) => `${value >= 100 ? Math.round(value) : value.toFixed(1)} /s`;
const whole = (value: number) => `${Math.round(value)}`;

function Charts({ readings: all }: { readings: Reading[] }) {
  return (
    <section class="charts" aria-label="The last five minutes" id="health-charts">
      <Chart
        title="Packets received"
        points={rate(all, "restage_media_packets_received_total")}
        format={perSecond}
      />
      <Chart
        title="Packets forwarded"
        points={rate(all, "restage_media_packets_forwarded_total")}
        format={perSecond}
      />
      <Chart
        title="From publishers"
        points={carried(all, "restage_media_peer_published_bits_per_second")}
        format={formatRate}
        least={1000}
      />
      <Chart
        title="To viewers"
        points={carried(all, "restage_media_peer_received_bits_per_second")}
        format={formatRate}
        least={1000}
      />
      <Chart
        title="Load"
        points={gauge(all, "restage_media_load")}
        format={value => value.toFixed(2)}
        hint="of the busiest media worker; 1 is all of a processor"
      />
      <Chart
        title="Processor time of a packet"
        points={costs(all)}
        format={value => `${value.toFixed(1)} µs`}
        hint="as if all workers were as busy as the busiest"
      />
      <Chart
        title="Viewers' networks carry"
        points={mean(all, "restage_media_peer_estimate_bits_per_second")}
        format={formatRate}
        least={1000}
        hint="the mean of the estimates"
      />
      <Chart
        title="Round trip to clients"
        points={mean(all, "restage_media_peer_round_trip_seconds")}
        format={value => formatMs(value * 1000)}
        least={0.001}
        hint="the mean"
      />
      <Chart title="Media connections" points={gauge(all, "restage_media_peers")} format={whole} />
      <Chart
        title="Loss to viewers"
        points={mean(all, "restage_media_peer_loss_ratios")}
        format={formatShare}
        least={0.01}
        hint="the mean"
      />
    </section>
  );
}

function factsOf(metrics: Metrics, nowMs: number): [string, string][] {
  const value = (name: string, labels?: Record<string, string>) => total(metrics, name, labels);
  const number = (name: string, labels?: Record<string, string>) => `${value(name, labels) ?? 0}`;
  const megabytes = (name: string) => `${Math.round((value(name) ?? 0) / 2 ** 20)} MiB`;
  const started = value("restage_start_time_seconds");
  const version = metrics.get("restage_build_info")?.[0]?.labels.version ?? "–";
  const ends = value("restage_tls_certificate_end_seconds");
  const facts: [string, string][] = [
    ["Version", version],
    ["Running for", started === undefined ? "–" : formatSpan(nowMs - started * 1000)],
    ["Media workers", `${number("restage_media_workers_alive")} of ${number("restage_media_workers")} run`],
    [
      "Sessions, participants, replicas",
      ["stage_sessions", "participants", "replicas"].map(name => number(`restage_${name}`)).join(", "),
    ],
    [
      "Publishers, viewers, events sockets",
      ["publish", "subscribe", "events"].map(kind => number("restage_connections", { kind })).join(", "),
    ],
    [
      "By UDP, TCP, relay",
      ["udp", "tcp", "turn"]
        .map(protocol => number("restage_media_peers_connected", { protocol }))
        .join(", "),
    ],
    [
      "Viewers by layer: high, middle, low, none",
      ["hi", "mid", "low", "none"]
        .map(layer => number("restage_media_subscribers_by_layer", { layer }))
        .join(", "),
    ],
    [
      "Viewers paused: network, wish, overload",
      ["network", "wish", "overload"]
        .map(reason => number("restage_media_subscribers_paused", { reason }))
        .join(", "),
    ],
    [
      "Database",
      `${value("restage_store_up") === 1 ? "takes changes" : "takes no changes"}; ${number("restage_store_queue")} commands wait, ${number("restage_store_commits_total")} transactions made`,
    ],
    ["Events to be delivered", outbox(metrics)],
    ["Certificate", ends === undefined ? "no TLS here" : `until ${new Date(ends * 1000).toLocaleString()}`],
    ["Recordings under way", number("restage_recordings_active")],
    [
      "Spool",
      `${megabytes("restage_spool_used_bytes")} of ${megabytes("restage_spool_limit_bytes")} used; ${megabytes("restage_spool_disk_free_bytes")} free on the disk`,
    ],
  ];
  return facts;
}

function outbox(metrics: Metrics): string {
  const sinks = metrics.get("restage_outbox_events") ?? [];
  if (sinks.length === 0) return "no webhook or file is configured";
  return sinks
    .map(({ labels, value }) => {
      const lag = total(metrics, "restage_outbox_lag_seconds", labels) ?? 0;
      const waits = value > 0 ? `, the oldest for ${formatSpan(lag * 1000)}` : "";
      return `${labels.sink}: ${value} wait${waits}`;
    })
    .join("; ");
}

/** The words for verdicts, so that they are not told by colour alone. */
const WORDS = { ok: "ok", off: "off", warn: "warning", fail: "failed" };

/** What needs to be looked at; the rest is folded. */
function Findings({ findings, empty }: { findings: Finding[]; empty: string }) {
  if (findings.length === 0) return <p class="hint">{empty}</p>;
  const isWrong = ({ verdict }: Finding) => verdict === "warn" || verdict === "fail";
  const wrong = findings.filter(isWrong);
  const fine = findings.filter(found => !isWrong(found));
  return (
    <>
      {wrong.length > 0 && <List findings={wrong} />}
      {fine.length > 0 && (
        <details class="health-fine">
          <summary>
            {wrong.length > 0
              ? `${fine.length} more found nothing wrong`
              : `${counted(fine.length, "check")}, and nothing is wrong`}
          </summary>
          <List findings={fine} />
        </details>
      )}
    </>
  );
}

function List({ findings }: { findings: Finding[] }) {
  return (
    <ul class="findings">
      {findings.map(({ check, verdict, sentence: text }) => (
        <li key={`${check} ${text}`} class="finding">
          <span class="finding-check">{check}</span>
          <span class="verdict" data-verdict={verdict}>
            {WORDS[verdict]}
          </span>
          <p>{text}</p>
        </li>
      ))}
    </ul>
  );
}

/** What `restage doctor` finds of the running server: all checks of it that open no connection and write nothing. */
function Doctor() {
  const findings = useSignal<Finding[]>([]);
  const problem = useSignal("");
  const isAsking = useSignal(false);
  const ask = useCallback(async () => {
    isAsking.value = true;
    try {
      findings.value = await fetchDoctor();
      problem.value = "";
    } catch (error) {
      problem.value = describeError(error);
    }
    isAsking.value = false;
  }, [findings, problem, isAsking]);
  useEffect(() => {
    void ask();
  }, [ask]);
  return (
    <section class="panel" aria-labelledby="doctor-title" id="health-doctor">
      <div class="health-head">
        <h2 id="doctor-title">What the server finds</h2>
        <button type="button" class="button small" disabled={isAsking.value} onClick={ask}>
          Check again
        </button>
      </div>
      <Problem text={problem.value} />
      <Findings findings={findings.value} empty={problem.value ? "" : "Loading…"} />
      <p class="hint">
        These are the checks of <code class="chip">restage doctor</code> that open no connection. In a
        terminal it also tries the ports and the addresses.
      </p>
    </section>
  );
}

function Browser({ aheadMs }: { aheadMs: number }) {
  const check = lastCheck.value;
  return (
    <section class="panel" aria-labelledby="browser-title" id="health-browser">
      <h2 id="browser-title">What this browser finds</h2>
      <Findings findings={browserFindings(aheadMs)} empty="" />
      {check ? (
        <>
          <p class="hint">The check of the network, at {new Date(check.atMs).toLocaleTimeString()}:</p>
          <Findings findings={check.findings} empty="It has found nothing." />
        </>
      ) : (
        <p class="hint">
          Whether media gets through is tried by <a href={hrefOf("network")}>the check of the network</a>.
        </p>
      )}
    </section>
  );
}
