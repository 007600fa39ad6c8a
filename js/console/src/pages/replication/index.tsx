/** Replication as a picture: what is replicated to where, started by dragging and stopped with a click. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { idOf } from "../../api/arn";
import { known, loadAll, refresh } from "../../api/live";
import { type Replication, startReplication, stopReplication } from "../../api/operations";
import type { Seat, Stage } from "../../api/types";
import { Confirm } from "../../components/confirm";
import { Empty, StateBadge, toast } from "../../components/feedback";
import { Name } from "../../components/name";
import { PageHead } from "../../components/page";
import { type Column, Table } from "../../components/table";
import { hrefOf } from "../../routes";
import { describeError } from "../../text/explain";
import { counted, displayName, stageName } from "../../text/names";
import { Replicate, WINDOW_S } from "../live/replicate";
import { Graph } from "./graph";
import { DRAWN_MAX, drawnStages, type Link, linkKey, linksOf } from "./model";
import "./replication.css";

/** A replication that was asked for is drawn for so long, at most, before the server has it. */
const PENDING_MS = 8000;
/** Stages without publishers are drawn too, unless there are more stages than this. */
const IDLE_MAX = 60;

export function ReplicationPage() {
  const search = useSignal("");
  const hasIdle = useSignal<boolean | undefined>(undefined);
  const windowS = useSignal(WINDOW_S);
  const chosen = useSignal<Seat | undefined>(undefined);
  const stopping = useSignal<Link | undefined>(undefined);
  const pending = useSignal<Link[]>([]);
  useEffect(loadAll, []);
  const { stages, isLoaded } = known.value;
  const links = withPending(linksOf(stages), pending.value);
  const isWithIdle = hasIdle.value ?? stages.length <= IDLE_MAX;
  const drawn = drawnStages(stages, links, search.value, isWithIdle);
  const drop = (seat: Seat, destination: Stage) => {
    const link = linkOf(seat, destination);
    pending.value = [...pending.value, link];
    const forget = () => {
      pending.value = pending.value.filter(each => each !== link);
    };
    setTimeout(forget, PENDING_MS);
    void start(link, windowS.value).then(isStarted => isStarted || forget());
  };
  return (
    <>
      <PageHead
        title="Replication"
        hint="Drag a participant onto a stage to show it there as well, or choose it by keyboard. Press a line to stop that replica."
      />
      <div class="inline-form">
        <div class="field">
          <label for="graph-search">Find a stage or a participant</label>
          <input
            id="graph-search"
            type="search"
            autocomplete="off"
            spellcheck={false}
            value={search.value}
            onInput={event => {
              search.value = event.currentTarget.value;
            }}
          />
        </div>
        <div class="field narrow">
          <label for="graph-window" title="How long a replica waits for a publisher who drops out">
            Seconds a replica waits
          </label>
          <input
            id="graph-window"
            type="number"
            min={0}
            max={300}
            value={windowS.value}
            onInput={event => {
              windowS.value = Math.min(300, Math.max(0, Math.round(Number(event.currentTarget.value)) || 0));
            }}
          />
        </div>
        <div class="choices">
          <label>
            <input
              type="checkbox"
              checked={isWithIdle}
              onChange={event => {
                hasIdle.value = event.currentTarget.checked;
              }}
            />
            stages where nobody publishes
          </label>
        </div>
      </div>
      {drawn.length > 0 ? (
        <Graph
          stages={drawn}
          links={links}
          onDrop={drop}
          onChoose={seat => {
            chosen.value = seat;
          }}
          onStop={link => {
            stopping.value = link;
          }}
        />
      ) : (
        isLoaded && <Empty title="Nothing to draw">Create a stage, or search for something else.</Empty>
      )}
      {drawn.length === DRAWN_MAX && (
        <p class="hint">Only {DRAWN_MAX} stages are drawn: search for others.</p>
      )}
      <LinkTable
        links={links}
        onStop={link => {
          stopping.value = link;
        }}
      />
      {chosen.value && (
        <Replicate
          seat={chosen.value}
          onClose={() => {
            chosen.value = undefined;
          }}
        />
      )}
      {stopping.value && (
        <StopReplica
          link={stopping.value}
          onClose={() => {
            stopping.value = undefined;
          }}
        />
      )}
    </>
  );
}

const linkOf = (seat: Seat, destination: Stage): Link => ({
  sourceStageArn: seat.stage.arn,
  destinationStageArn: destination.arn,
  participantId: seat.participant.participantId,
  participant: seat.participant,
  source: seat.stage,
  destination,
  isPending: true,
});

function withPending(links: Link[], pending: Link[]): Link[] {
  const there = new Set(links.map(linkKey));
  return [...links, ...pending.filter(link => !there.has(linkKey(link)))];
}

async function start(link: Link, windowS: number): Promise<boolean> {
  const { sourceStageArn, destinationStageArn, participantId } = link;
  const replication: Replication = { sourceStageArn, destinationStageArn, participantId };
  const name = displayName(link.participant);
  try {
    await startReplication(replication, windowS);
    toast(`${name} is shown in ${stageName(link.destination)} too.`);
    void refresh();
    return true;
  } catch (error) {
    toast(`${name} cannot be shown in ${stageName(link.destination)}: ${describeError(error)}`, "problem");
    return false;
  }
}

function StopReplica({ link, onClose }: { link: Link; onClose: () => void }) {
  const { sourceStageArn, destinationStageArn, participantId, participant, source, destination } = link;
  const name = displayName(participant);
  const confirm = async () => {
    await stopReplication({ sourceStageArn, destinationStageArn, participantId });
    await refresh();
  };
  return (
    <Confirm
      title={
        <>
          Stop the replica of <Name text={name} />?
        </>
      }
      action="Stop replica"
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>
        <strong>
          <Name text={name} />
        </strong>{" "}
        disappears from <strong>{stageName(destination)}</strong>. It stays in{" "}
        <strong>{stageName(source)}</strong>.
      </p>
    </Confirm>
  );
}

function LinkTable({ links, onStop }: { links: Link[]; onStop: (link: Link) => void }) {
  const stageLink = (stage: Stage) => (
    <a href={hrefOf("stages", idOf(stage.arn))}>
      <Name text={stageName(stage)} />
    </a>
  );
  const columns: Column<Link>[] = [
    {
      title: "Participant",
      kind: "name",
      cell: ({ participant }) => <Name text={displayName(participant)} />,
    },
    { title: "From", kind: "name", cell: ({ source }) => stageLink(source) },
    { title: "To", kind: "name", cell: ({ destination }) => stageLink(destination) },
    {
      title: "State",
      cell: ({ isPending, participant }) =>
        isPending ? (
          <StateBadge tone="busy">starting</StateBadge>
        ) : (
          <StateBadge tone="good">{participant.replicationState ?? "ACTIVE"}</StateBadge>
        ),
    },
    {
      title: "Actions",
      kind: "actions",
      cell: link => (
        <span class="actions">
          <a
            class="button small"
            href={`#/replicas?${new URLSearchParams({ stage: link.sourceStageArn, participant: link.participantId })}`}
            aria-label={`All replicas of ${displayName(link.participant)} from ${stageName(link.source)}, for ${stageName(link.destination)}`}
          >
            All replicas
          </a>
          {!link.isPending && (
            <button
              type="button"
              class="button small"
              aria-label={`Stop ${displayName(link.participant)} in ${stageName(link.destination)}`}
              onClick={() => onStop(link)}
            >
              Stop…
            </button>
          )}
        </span>
      ),
    },
  ];
  return (
    <section class="panel" aria-labelledby="links-title" id="links">
      <h2 id="links-title">{counted(links.length, "replica")} in progress</h2>
      <Table
        caption="Replicas in progress"
        columns={columns}
        rows={links}
        keyOf={linkKey}
        empty={<p class="hint">Nothing is replicated.</p>}
      />
    </section>
  );
}
