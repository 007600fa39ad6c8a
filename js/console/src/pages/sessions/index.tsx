/** The sessions of a stage: the one in progress, and those that were. */

import { idOf } from "../../api/arn";
import { listSessions, type Session } from "../../api/history";
import type { Stage } from "../../api/types";
import { Empty, StateBadge } from "../../components/feedback";
import { OfStage } from "../../components/of_stage";
import { PageHead } from "../../components/page";
import { type Column, PagedFoot, Table, usePaged } from "../../components/table";
import { hrefOf } from "../../routes";
import { stageName } from "../../text/names";
import { formatSpan } from "../../text/units";
import type { PageProps } from "..";
import { Crumbs } from "./crumbs";
import "./sessions.css";

export function SessionsPage({ params: [id = ""] }: PageProps) {
  return <OfStage id={id}>{stage => <Sessions stage={stage} />}</OfStage>;
}

function Sessions({ stage }: { stage: Stage }) {
  const name = stageName(stage);
  const id = idOf(stage.arn);
  // A session that begins or ends is shown at once.
  const list = usePaged(
    nextToken => listSessions(stage.arn, nextToken),
    `${stage.arn} ${stage.activeSessionId ?? ""}`,
  );
  const columns: Column<Session>[] = [
    {
      title: "Session",
      kind: "wide",
      cell: ({ sessionId }) => <a href={hrefOf("stages", id, "sessions", sessionId)}>{sessionId}</a>,
    },
    { title: "Began", cell: ({ startTime }) => new Date(startTime).toLocaleString() },
    {
      title: "Ended",
      cell: ({ endTime }) =>
        endTime ? new Date(endTime).toLocaleString() : <StateBadge tone="good">in progress</StateBadge>,
    },
    {
      title: "Lasted",
      kind: "number",
      cell: ({ startTime, endTime }) =>
        formatSpan(Math.max(0, (endTime ? Date.parse(endTime) : Date.now()) - Date.parse(startTime))),
    },
  ];
  return (
    <>
      <Crumbs
        of={[
          ["Stages", hrefOf("stages")],
          [name, hrefOf("stages", id)],
        ]}
      />
      <PageHead
        title={`Sessions of ${name}`}
        hint="A session begins when somebody joins, and ends some time after the last publisher has left."
      />
      <section class="panel" aria-label="Sessions">
        <Table
          caption={`Sessions of ${name}`}
          columns={columns}
          rows={list.rows}
          keyOf={({ sessionId }) => sessionId}
          empty={
            list.isLoading ? undefined : (
              <Empty title="No sessions yet">
                <p>Nobody has joined this stage.</p>
              </Empty>
            )
          }
        />
        <PagedFoot list={list} what={list.rows.length === 1 ? "session" : "sessions"} />
      </section>
    </>
  );
}
