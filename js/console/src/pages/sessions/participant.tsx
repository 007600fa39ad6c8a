/** A participant of a session: what it was, what it did, and where it was replicated to. */

import type { ComponentChildren } from "preact";

import { idOf } from "../../api/arn";
import { getPastParticipant, listEvents, type PastParticipantDetail } from "../../api/history";
import { known } from "../../api/live";
import { listReplicas } from "../../api/operations";
import { allPages } from "../../api/paging";
import type { Replica, Stage } from "../../api/types";
import { Problem, RoleBadge, StateBadge } from "../../components/feedback";
import { Name, PairList } from "../../components/name";
import { OfStage } from "../../components/of_stage";
import { PageHead } from "../../components/page";
import { usePolled } from "../../components/polled";
import { type Column, PagedFoot, Table, usePaged } from "../../components/table";
import { hrefOf } from "../../routes";
import { stageName } from "../../text/names";
import { nameOr } from "../../text/shown";
import type { PageProps } from "..";
import { Crumbs } from "./crumbs";
import { EventList } from "./line";
import { personName } from "./session";
import { inOrder } from "./timeline";
import "./sessions.css";

const REFRESH_MS = 5000;
/** Events that are read. */
const EVENTS_MAX = 400;

export function ParticipantPage({ params: [id = "", sessionId = "", participantId = ""] }: PageProps) {
  return (
    <OfStage id={id}>
      {stage => <OneParticipant stage={stage} sessionId={sessionId} participantId={participantId} />}
    </OfStage>
  );
}

interface Props {
  stage: Stage;
  sessionId: string;
  participantId: string;
}

function OneParticipant({ stage, sessionId, participantId }: Props) {
  const where = { stageArn: stage.arn, sessionId, participantId };
  const key = `${sessionId} ${participantId}`;
  const polled = usePolled(
    async () => {
      const participant = await getPastParticipant(where);
      const { all } = await allPages(nextToken => listEvents(where, nextToken), EVENTS_MAX);
      return { participant, events: inOrder(all) };
    },
    REFRESH_MS,
    key,
  );
  const stages = new Map(known.value.stages.map(each => [each.arn, stageName(each)]));
  const id = idOf(stage.arn);
  const { participant, events = [] } = polled.value ?? {};
  const people = new Map(
    [...stage.participants, ...(participant ? [participant] : [])].map(each => [
      each.participantId,
      nameOr(each.userId, each.participantId),
    ]),
  );
  const first = events[0] ? Date.parse(events[0].eventTime) : 0;
  return (
    <>
      <Crumbs
        of={[
          ["Stages", hrefOf("stages")],
          [stageName(stage), hrefOf("stages", id)],
          ["Sessions", hrefOf("stages", id, "sessions")],
          [sessionId, hrefOf("stages", id, "sessions", sessionId)],
        ]}
      />
      <PageHead
        title=""
        name={participant ? personName(participant) : participantId}
        beside={participant && <State participant={participant} />}
      />
      <Problem text={polled.problem} />
      {participant ? (
        <>
          <Facts participant={participant} stages={stages} />
          <section class="panel" aria-labelledby="events-title" id="participant-events">
            <h2 id="events-title">Events</h2>
            <EventList events={events} fromMs={first} names={{ people, stages }} isRead />
          </section>
          <Replicas stage={stage} participantId={participantId} stages={stages} />
        </>
      ) : (
        <p class="hint">{polled.problem ? "" : "Loading…"}</p>
      )}
    </>
  );
}

function State({
  participant: { state, replicationType, replicationState },
}: {
  participant: PastParticipantDetail;
}) {
  const isOver = replicationState === "STOPPED";
  return (
    <>
      <StateBadge tone={state === "CONNECTED" ? "good" : "quiet"}>{state.toLowerCase()}</StateBadge>
      {!isOver && <RoleBadge role={replicationType === "NONE" ? "" : (replicationType ?? "")} />}
    </>
  );
}

interface FactsProps {
  participant: PastParticipantDetail;
  /** Names of stages by ARN. */
  stages: Map<string, string>;
}

function Facts({ participant, stages }: FactsProps) {
  const { browserName, browserVersion, osName, osVersion, recordingS3Prefix, sourceStageArn } = participant;
  const attributes = Object.entries(participant.attributes ?? {});
  const facts: [string, ComponentChildren][] = [
    ["Participant id", participant.participantId],
    ["User id", participant.userId || undefined],
    ["Attributes", attributes.length > 0 && <PairList pairs={attributes} />],
    ["First joined", participant.firstJoinTime && new Date(participant.firstJoinTime).toLocaleString()],
    ["Has published", participant.published ? "yes" : "no"],
    ["Replica from", sourceStageArn && (stages.get(sourceStageArn) ?? sourceStageArn)],
    ["Session there", participant.sourceSessionId],
    ["Protocol", participant.protocol],
    ["Program", participant.sdkVersion],
    ["Browser", browserName && [browserName, browserVersion].join(" ")],
    ["System", osName && [osName, osVersion].join(" ")],
    ["Recording", participant.recordingState],
    ["Recorded to", recordingS3Prefix && `${participant.recordingS3BucketName}/${recordingS3Prefix}`],
  ];
  return (
    <section class="panel" aria-label="What is known">
      <dl class="facts">
        {facts.flatMap(([what, how]) =>
          how ? [<dt key={`${what} what`}>{what}</dt>, <dd key={what}>{how}</dd>] : [],
        )}
      </dl>
    </section>
  );
}

interface ReplicasProps {
  stage: Stage;
  participantId: string;
  stages: Map<string, string>;
}

/** The replicas that the participant has, in whatever session; those that ended stay listed for some time. */
function Replicas({ stage, participantId, stages }: ReplicasProps) {
  const list = usePaged(async nextToken => {
    const page = await listReplicas(stage.arn, participantId, { maxResults: 50, nextToken });
    return { rows: page.replicas, nextToken: page.nextToken };
  }, `${stage.arn} ${participantId}`);
  if (list.rows.length === 0 && !list.problem) return null;
  const columns: Column<Replica>[] = [
    {
      title: "Destination",
      kind: "wide",
      cell: ({ destinationStageArn, destinationSessionId }) => (
        <a
          href={hrefOf("stages", idOf(destinationStageArn), "sessions", destinationSessionId, participantId)}
        >
          <Name text={stages.get(destinationStageArn) ?? idOf(destinationStageArn)} />
        </a>
      ),
    },
    {
      title: "State",
      cell: ({ replicationState }) => (
        <StateBadge tone={replicationState === "ACTIVE" ? "good" : "quiet"}>{replicationState}</StateBadge>
      ),
    },
    { title: "Source session", cell: ({ sourceSessionId }) => <code>{sourceSessionId}</code> },
    { title: "Session there", cell: ({ destinationSessionId }) => <code>{destinationSessionId}</code> },
  ];
  return (
    <section class="panel" aria-labelledby="replicas-title" id="past-replicas">
      <h2 id="replicas-title">Replicas</h2>
      <Table
        caption="Replicas of the participant"
        columns={columns}
        rows={list.rows}
        keyOf={({ destinationStageArn, destinationSessionId }) =>
          `${destinationStageArn} ${destinationSessionId}`
        }
      />
      <PagedFoot list={list} what={list.rows.length === 1 ? "replica" : "replicas"} />
    </section>
  );
}
