/** The time line of a session: a row per participant over time, and beside it the same as a list. */

import { useEffect, useRef } from "preact/hooks";

import { listEvents, type PastParticipant, type Session, type StageEvent } from "../../api/history";
import { known } from "../../api/live";
import { allPages } from "../../api/paging";
import type { Stage } from "../../api/types";
import { Problem } from "../../components/feedback";
import { Name } from "../../components/name";
import { usePolled } from "../../components/polled";
import { stageName } from "../../text/names";
import { formatSpan } from "../../text/units";
import { personName } from "./session";
import { describeEvent, inOrder, type Line, lineOf, type Span, ticksOf } from "./timeline";

/** Interval at which the events are read again, while the session is in progress, and after it. */
const REFRESH_MS = 10_000;
const ENDED_MS = 600_000;
/** Participants whose events are read. The page of a participant has the events of any. */
const ROWS_MAX = 24;
/** Events that are read of each. */
const EVENTS_MAX = 300;
/** Pause between the calls for the participants, which keeps the console below five calls a second. */
const PAUSE_MS = 200;
/** Rows of the list. */
const LISTED_MAX = 400;

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

interface Props {
  stage: Stage;
  session: Session;
  people: PastParticipant[];
  /** Who is there at the moment: another one reads the events again. */
  present: string;
}

export function SessionLine({ stage, session, people, present }: Props) {
  const { sessionId, endTime } = session;
  const rows = people.slice(0, ROWS_MAX);
  const ids = rows.map(({ participantId }) => participantId);
  const polled = usePolled(
    () => readAll(stage.arn, sessionId, ids),
    endTime ? ENDED_MS : REFRESH_MS,
    `${sessionId} ${ids.join()} ${endTime ?? ""}`,
  );
  const { refresh } = polled;
  const last = useRef(present);
  useEffect(() => {
    if (last.current !== present) void refresh();
    last.current = present;
  }, [present, refresh]);
  const names = {
    people: new Map(people.map(person => [person.participantId, personName(person)])),
    stages: new Map(known.value.stages.map(each => [each.arn, stageName(each)])),
  };
  const fromMs = Date.parse(session.startTime);
  const events = polled.value ?? [];
  const lastMs = Math.max(fromMs, ...events.map(({ eventTime }) => Date.parse(eventTime)));
  const toMs = Math.max(endTime ? Date.parse(endTime) : Date.now(), lastMs, fromMs + 1000);
  return (
    <section class="panel" aria-labelledby="line-title" id="time-line" aria-busy={!polled.value}>
      <h2 id="line-title">Time line</h2>
      <p class="line-key">
        <span data-kind="joined">connected</span>
        <span data-kind="published">publishes</span>
        <span data-kind="replicated">is replicated</span>
        <span data-kind="watch">begins to watch</span>
        <span data-kind="error">error</span>
      </p>
      <div class="line-rows">
        <Axis fromMs={fromMs} spanMs={toMs - fromMs} />
        {rows.map(person => (
          <Row
            key={person.participantId}
            name={personName(person)}
            line={lineOf(
              events.filter(({ participantId }) => participantId === person.participantId),
              toMs,
            )}
            fromMs={fromMs}
            spanMs={toMs - fromMs}
          />
        ))}
      </div>
      {people.length > ROWS_MAX && (
        <p class="hint">The time line has the first {ROWS_MAX} of these participants.</p>
      )}
      <Problem text={polled.problem} />
      <EventList events={events} fromMs={fromMs} names={names} isRead={polled.value !== undefined} />
    </section>
  );
}

async function readAll(stageArn: string, sessionId: string, ids: string[]): Promise<StageEvent[]> {
  const events: StageEvent[] = [];
  for (const [at, participantId] of ids.entries()) {
    if (at > 0) await pause(PAUSE_MS);
    const where = { stageArn, sessionId, participantId };
    events.push(...(await allPages(nextToken => listEvents(where, nextToken), EVENTS_MAX)).all);
  }
  return inOrder(events);
}

const percent = (ms: number, spanMs: number) => `${Math.min(100, Math.max(0, (100 * ms) / spanMs))}%`;

function Axis({ fromMs, spanMs }: { fromMs: number; spanMs: number }) {
  return (
    <div class="line-row line-axis">
      <span>{new Date(fromMs).toLocaleTimeString()}</span>
      <svg class="line-drawing" aria-hidden="true">
        {ticksOf(spanMs).map(atMs => (
          <g key={atMs}>
            <line
              class="line-tick"
              x1={percent(atMs, spanMs)}
              x2={percent(atMs, spanMs)}
              y1="60%"
              y2="100%"
            />
            <text
              class="line-label"
              x={percent(atMs, spanMs)}
              y="50%"
              text-anchor={atMs > 0.93 * spanMs ? "end" : atMs === 0 ? "start" : "middle"}
            >
              {atMs === 0 ? "0" : `+${formatSpan(atMs).replace(/ 0 (s|min)$/, "")}`}
            </text>
          </g>
        ))}
      </svg>
    </div>
  );
}

interface RowProps {
  name: string;
  line: Line;
  fromMs: number;
  spanMs: number;
}

function Row({ name, line, fromMs, spanMs }: RowProps) {
  const { joined, published, replicated, marks } = line;
  const errors = marks.filter(({ kind }) => kind === "error").length;
  const spoken = `${name}: connected ${joined.length} times, published ${published.length} times, ${errors} errors`;
  const bars = (kind: string, spans: Span[], y: number, height: number) =>
    spans.map(span => (
      <rect
        key={`${kind} ${span.fromMs}`}
        class="line-bar"
        data-kind={kind}
        x={percent(span.fromMs - fromMs, spanMs)}
        width={percent(Math.max(span.toMs - span.fromMs, spanMs / 500), spanMs)}
        y={y}
        height={height}
        rx="2"
      >
        <title>{`${kind} for ${formatSpan(span.toMs - span.fromMs)}`}</title>
      </rect>
    ));
  return (
    <div class="line-row">
      <span class="line-name" title={name}>
        {name}
      </span>
      <svg class="line-drawing" role="img" aria-label={spoken}>
        <rect class="line-ground" width="100%" height="100%" />
        {bars("joined", joined, 12, 4)}
        {bars("published", published, 8, 12)}
        {bars("replicated", replicated, 22, 4)}
        {marks.map(({ atMs, kind, event }, at) => (
          <circle
            key={`${atMs} ${at}`}
            class="line-mark"
            data-kind={kind}
            cx={percent(atMs - fromMs, spanMs)}
            cy={kind === "error" ? 14 : 4}
            r={kind === "error" ? 5 : 2.5}
          >
            <title>{event.errorCode ? `${event.name}: ${event.errorCode}` : event.name}</title>
          </circle>
        ))}
      </svg>
    </div>
  );
}

interface ListProps {
  events: StageEvent[];
  fromMs: number;
  names: { people: Map<string, string>; stages: Map<string, string> };
  isRead: boolean;
}

/** The events as words, the newest first. */
export function EventList({ events, fromMs, names, isRead }: ListProps) {
  const rows = [...events].reverse().slice(0, LISTED_MAX);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a long list is scrolled by keyboard
    <section class="event-list" tabIndex={0} aria-label="Events, the newest first">
      <ol>
        {rows.map((event, at) => (
          <li key={`${events.length - at}`} class="event">
            <time class="event-time" dateTime={event.eventTime}>
              {new Date(event.eventTime).toLocaleTimeString()}
            </time>
            <span class="event-time">+{formatSpan(Math.max(0, Date.parse(event.eventTime) - fromMs))}</span>
            <span class="event-what">
              <strong>
                <Name text={names.people.get(event.participantId) ?? event.participantId} />
              </strong>{" "}
              <span class={event.errorCode ? "problem" : undefined} data-event={event.name}>
                {describeEvent(event, names)}
              </span>
            </span>
          </li>
        ))}
      </ol>
      {rows.length === 0 && <p class="hint">{isRead ? "No events." : "Loading…"}</p>}
      {events.length > LISTED_MAX && <p class="hint">These are the newest {LISTED_MAX} events.</p>}
    </section>
  );
}
