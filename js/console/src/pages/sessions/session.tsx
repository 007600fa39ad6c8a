/** A session: who was in it, and what happened when. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { idOf } from "../../api/arn";
import {
  getSession,
  listPastParticipants,
  type ParticipantFilter,
  type PastParticipant,
} from "../../api/history";
import type { Stage } from "../../api/types";
import { Empty, Problem, RoleBadge, StateBadge } from "../../components/feedback";
import { Name } from "../../components/name";
import { OfStage } from "../../components/of_stage";
import { PageHead } from "../../components/page";
import { usePolled } from "../../components/polled";
import { type Column, PagedFoot, Table, usePaged } from "../../components/table";
import { hrefOf } from "../../routes";
import { stageName } from "../../text/names";
import { nameOr } from "../../text/shown";
import type { PageProps } from "..";
import { Crumbs } from "./crumbs";
import { SessionLine } from "./line";
import "./sessions.css";

/** Interval at which a session is asked for. */
const REFRESH_MS = 5000;

const FILTERS: [label: string, filter: ParticipantFilter][] = [
  ["everybody", {}],
  ["who has published", { filterByPublished: true }],
  ["who has not published", { filterByPublished: false }],
  ["who is connected", { filterByState: "CONNECTED" }],
  ["who has left", { filterByState: "DISCONNECTED" }],
];

export const personName = ({ userId, participantId }: PastParticipant): string =>
  nameOr(userId, participantId);

const duration = ({ startTime, endTime }: { startTime: string; endTime?: string }) =>
  `from ${new Date(startTime).toLocaleString()}${endTime ? ` to ${new Date(endTime).toLocaleString()}` : ""}`;

export function SessionPage({ params: [id = "", sessionId = ""] }: PageProps) {
  return <OfStage id={id}>{stage => <OneSession stage={stage} sessionId={sessionId} />}</OfStage>;
}

function OneSession({ stage, sessionId }: { stage: Stage; sessionId: string }) {
  const name = stageName(stage);
  const id = idOf(stage.arn);
  const chosen = useSignal(0);
  const userId = useSignal("");
  const polled = usePolled(() => getSession(stage.arn, sessionId), REFRESH_MS, sessionId);
  const session = polled.value;
  // The API takes one filter.
  const filter = userId.value ? { filterByUserId: userId.value } : (FILTERS[chosen.value]?.[1] ?? {});
  const here = stage.activeSessionId === sessionId ? stage.participants : [];
  const present = here.map(each => `${each.participantId} ${each.publishing} ${each.state}`).join();
  const list = usePaged(
    nextToken => listPastParticipants(stage.arn, sessionId, filter, nextToken),
    `${sessionId} ${JSON.stringify(filter)}`,
  );
  const { reload } = list;
  const last = useRef(present);
  useEffect(() => {
    if (last.current !== present) reload();
    last.current = present;
  }, [present, reload]);
  return (
    <>
      <Crumbs
        of={[
          ["Stages", hrefOf("stages")],
          [name, hrefOf("stages", id)],
          ["Sessions", hrefOf("stages", id, "sessions")],
        ]}
      />
      <PageHead
        title={`Session ${sessionId}`}
        beside={
          session && (
            <StateBadge tone={session.endTime ? "quiet" : "good"}>
              {session.endTime ? "ended" : "in progress"}
            </StateBadge>
          )
        }
        // It has its line before the session is there, so that nothing moves.
        hint={`${name}: ${session ? duration(session) : "…"}`}
      />
      <Problem text={polled.problem} />
      <section class="panel" aria-labelledby="people-title" id="past-participants">
        <h2 id="people-title">Participants</h2>
        <div class="inline-form">
          <div class="field">
            <label for="filter">Show</label>
            <select
              id="filter"
              disabled={userId.value !== ""}
              value={`${chosen.value}`}
              onChange={event => {
                chosen.value = Number(event.currentTarget.value);
              }}
            >
              {FILTERS.map(([label], at) => (
                <option key={label} value={`${at}`}>
                  {label}
                </option>
              ))}
            </select>
          </div>
          <div class="field">
            <label for="user-id">Only with the user id</label>
            <input
              id="user-id"
              type="search"
              autocomplete="off"
              spellcheck={false}
              maxlength={128}
              value={userId.value}
              onChange={event => {
                userId.value = event.currentTarget.value.trim();
              }}
            />
          </div>
          <button type="button" class="button" onClick={list.reload}>
            Refresh
          </button>
        </div>
        <Table
          caption="Participants of the session"
          columns={columnsOf(id, sessionId)}
          rows={list.rows}
          keyOf={({ participantId }) => participantId}
          empty={list.isLoading ? undefined : <Empty title="Nobody" />}
        />
        <PagedFoot list={list} what={list.rows.length === 1 ? "participant" : "participants"} />
      </section>
      {session && list.rows.length > 0 && (
        <SessionLine stage={stage} session={session} people={list.rows} present={present} />
      )}
    </>
  );
}

function columnsOf(stageId: string, sessionId: string): Column<PastParticipant>[] {
  return [
    {
      title: "Participant",
      kind: "wide",
      cell: person => (
        <a href={hrefOf("stages", stageId, "sessions", sessionId, person.participantId)}>
          <Name text={personName(person)} />
        </a>
      ),
    },
    { title: "Id", cell: ({ participantId }) => <code>{participantId}</code> },
    {
      title: "State",
      cell: ({ state }) => (
        <StateBadge tone={state === "CONNECTED" ? "good" : "quiet"}>{state.toLowerCase()}</StateBadge>
      ),
    },
    { title: "Published", cell: ({ published }) => (published ? "yes" : "no") },
    {
      title: "Role",
      cell: ({ replicationType = "NONE", replicationState }) =>
        replicationType === "NONE" || replicationState === "STOPPED" ? (
          "–"
        ) : (
          <RoleBadge role={replicationType} />
        ),
    },
    {
      title: "First joined",
      cell: ({ firstJoinTime }) => (firstJoinTime ? new Date(firstJoinTime).toLocaleString() : "–"),
    },
  ];
}
