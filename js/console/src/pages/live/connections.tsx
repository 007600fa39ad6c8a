/** What the server counts of a stage's media connections: who sends, who watches whom, by which path, and how well. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { listConnections } from "../../api/operations";
import type { ConnectionStats, Stage } from "../../api/types";
import { Problem } from "../../components/feedback";
import { Name } from "../../components/name";
import { type Column, Table } from "../../components/table";
import { describeEstimate, describePause, describeTrack, describeTransport } from "../../text/connections";
import { describeError } from "../../text/explain";
import { displayName } from "../../text/names";
import { formatMs, formatShare, formatSpan } from "../../text/units";

/** Interval at which they are asked for. */
const EVERY_MS = 2000;
/** Pages of 100 that are read at a time. Whoever has more connections in a stage asks the API. */
const PAGES_MAX = 3;

export function Connections({ stage }: { stage: Stage }) {
  const found = useSignal<ConnectionStats[]>([]);
  const hasMore = useSignal(false);
  const problem = useSignal("");
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const ask = async () => {
      try {
        const { connections, isWhole } = await readAll(stage.arn);
        if (isOver) return;
        found.value = connections;
        hasMore.value = !isWhole;
        problem.value = "";
      } catch (error) {
        problem.value = describeError(error);
      }
      if (!isOver) timer = setTimeout(ask, EVERY_MS);
    };
    void ask();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [stage.arn, found, hasMore, problem]);
  const nameOf = (id: string) => {
    const participant = stage.participants.find(each => each.participantId === id);
    return participant ? displayName(participant) : id;
  };
  const columns: Column<ConnectionStats>[] = [
    { title: "Who", kind: "name", cell: ({ participantId }) => <Name text={nameOf(participantId)} /> },
    {
      title: "Does",
      kind: "name",
      cell: each =>
        each.direction === "publish" ? (
          "publishes"
        ) : (
          <>
            watches <Name text={nameOf(each.remoteParticipantId ?? "")} />
          </>
        ),
    },
    { title: "Layers", kind: "wide", cell: each => <Layers connection={each} /> },
    { title: "Estimate", kind: "number", cell: describeEstimate },
    { title: "Path", cell: describeTransport },
    {
      title: "Round trip",
      kind: "number",
      cell: ({ roundTripMs }) => (roundTripMs === null ? "–" : formatMs(roundTripMs)),
    },
    { title: "Loss", kind: "number", cell: ({ loss }) => (loss === null ? "–" : formatShare(loss)) },
    { title: "Since", kind: "number", cell: ({ ageMs }) => formatSpan(ageMs) },
  ];
  return (
    <section class="panel" aria-labelledby="connections-title" id="connections">
      <h2 id="connections-title">Media connections</h2>
      <Table
        caption={`Media connections of ${stage.name || "the stage"}`}
        columns={columns}
        rows={inOrder(found.value)}
        keyOf={({ session }) => session}
        empty={<p class="hint">Nobody sends or watches.</p>}
      />
      {hasMore.value && <p class="hint">There are more; these are the first {found.value.length}.</p>}
      <Problem text={problem.value} />
    </section>
  );
}

/** Those who publish come first, and whoever came earlier before others. */
const inOrder = (connections: ConnectionStats[]): ConnectionStats[] =>
  [...connections].sort((a, b) => a.direction.localeCompare(b.direction) || b.ageMs - a.ageMs);

function Layers({ connection }: { connection: ConnectionStats }) {
  const pause = describePause(connection);
  // Sound comes before pictures.
  const tracks = [...connection.tracks].sort((a, b) => a.kind.localeCompare(b.kind));
  return (
    <>
      {pause && <span class="paused">{pause}</span>}
      <ul class="tracks">
        {tracks.map(track => (
          <li key={`${track.kind} ${track.rid ?? track.label ?? ""}`}>{describeTrack(track)}</li>
        ))}
      </ul>
    </>
  );
}

async function readAll(stageArn: string) {
  const connections: ConnectionStats[] = [];
  let nextToken: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const answer = await listConnections(stageArn, nextToken);
    connections.push(...answer.connections);
    nextToken = answer.nextToken;
    if (!nextToken) return { connections, isWhole: true };
  }
  return { connections, isWhole: false };
}
