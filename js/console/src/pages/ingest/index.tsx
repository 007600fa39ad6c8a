/** Ingest configurations: the stream keys of encoders that speak RTMP, what each publishes, and how it is set up. */

import { useSignal } from "@preact/signals";

import { idOf } from "../../api/arn";
import { type IngestSummary, listIngest } from "../../api/ingest";
import { known } from "../../api/live";
import { allPages } from "../../api/paging";
import { region } from "../../api/region";
import { Empty, Problem, StateBadge } from "../../components/feedback";
import { Name } from "../../components/name";
import { PageHead } from "../../components/page";
import { usePolled } from "../../components/polled";
import { RegionField } from "../../components/region";
import { hrefOf } from "../../routes";
import { counted, displayName, isShown, stageName } from "../../text/names";
import { nameOr } from "../../text/shown";
import { AttachDialog, CreateDialog, DeleteDialog } from "./dialogs";
import { EncoderSettings } from "./settings";
import "./ingest.css";

const REFRESH_MS = 2000;

type Asked = { what: "create" } | { what: "attach" | "delete"; row: IngestSummary } | undefined;

export function IngestPage() {
  const asked = useSignal<Asked>(undefined);
  /** Whose settings are shown. */
  const opened = useSignal("");
  const own = region.value;
  const list = usePolled(() => allPages(nextToken => listIngest(own, nextToken)), REFRESH_MS, own);
  const rows = list.value?.all ?? [];
  const close = () => {
    asked.value = undefined;
  };
  const done = () => void list.refresh();
  return (
    <>
      <PageHead
        title="Ingest keys"
        hint="Encoders that speak RTMP publish with a stream key: each key is one participant of one stage at a time."
      >
        <button
          type="button"
          class="button primary"
          onClick={() => {
            asked.value = { what: "create" };
          }}
        >
          New ingest key…
        </button>
      </PageHead>
      <RegionField />
      <p class="hint" id="ingest-found" role="status">
        {list.value ? describe(rows, list.value.hasMore) : "Loading…"}
      </p>
      <Problem text={list.problem} />
      <ul class="ingests" aria-label="Ingest configurations" aria-busy={!list.value}>
        {rows.map(row => (
          <IngestRow
            key={row.arn}
            row={row}
            isOpen={opened.value === row.arn}
            onOpen={() => {
              opened.value = opened.value === row.arn ? "" : row.arn;
            }}
            onAsk={what => {
              asked.value = { what, row };
            }}
          />
        ))}
      </ul>
      {list.value && rows.length === 0 && (
        <Empty title="No ingest keys" id="ingest-empty">
          <p>
            Make one above. The server takes encoders where it was started with{" "}
            <code class="chip">--rtmp</code> or <code class="chip">--rtmps</code>.
          </p>
        </Empty>
      )}
      {asked.value?.what === "create" && (
        <CreateDialog
          region={own}
          onCreated={arn => {
            opened.value = arn;
            done();
          }}
          onClose={close}
        />
      )}
      {asked.value?.what === "attach" && (
        <AttachDialog row={asked.value.row} region={own} onDone={done} onClose={close} />
      )}
      {asked.value?.what === "delete" && <DeleteDialog row={asked.value.row} onDone={done} onClose={close} />}
    </>
  );
}

function describe(rows: IngestSummary[], hasMore: boolean): string {
  const active = rows.filter(({ state }) => state === "ACTIVE").length;
  return `${hasMore ? "more than " : ""}${counted(rows.length, "ingest key")}, ${active} in use`;
}

interface RowProps {
  row: IngestSummary;
  isOpen: boolean;
  onOpen: () => void;
  onAsk: (what: "attach" | "delete") => void;
}

/** What an ingest configuration is called on the page. */
export const ingestName = ({ name, userId, arn }: IngestSummary): string =>
  nameOr(name, nameOr(userId, idOf(arn)));

function IngestRow({ row, isOpen, onOpen, onAsk }: RowProps) {
  const { arn, ingestProtocol, stageArn, participantId, state, userId, redundantIngest } = row;
  const name = ingestName(row);
  const stage = known.value.stages.find(each => each.arn === stageArn);
  const isActive = state === "ACTIVE";
  return (
    <li class="panel ingest" data-ingest={arn}>
      <div class="ingest-head">
        <div class="ingest-text">
          <div class="ingest-name">
            <h2>
              <bdi>{name}</bdi>
            </h2>
            <span class="badge">{ingestProtocol}</span>
            {redundantIngest && <span class="badge">REDUNDANT</span>}
            <StateBadge tone={isActive ? "good" : "quiet"}>
              {isActive ? "an encoder sends" : "nobody sends"}
            </StateBadge>
          </div>
          <p class="hint">
            {stageArn ? (
              <>
                publishes into{" "}
                <a href={hrefOf("stages", idOf(stageArn))}>{stage ? stageName(stage) : idOf(stageArn)}</a>
                {" as "}
                {userId && (
                  <>
                    <Name text={userId} />
                    {" · "}
                  </>
                )}
                {participantId}
              </>
            ) : (
              "has no stage, so nobody can publish with it"
            )}
          </p>
          <Senders row={row} />
        </div>
        <div class="actions">
          <button
            type="button"
            class="button small"
            aria-label={`Encoder settings of ${name}`}
            aria-expanded={isOpen}
            onClick={onOpen}
          >
            Encoder settings
          </button>
          <button
            type="button"
            class="button small"
            aria-label={`Stage of ${name}`}
            onClick={() => onAsk("attach")}
          >
            Stage…
          </button>
          <button
            type="button"
            class="button small"
            aria-label={`Delete ${name}`}
            onClick={() => onAsk("delete")}
          >
            Delete…
          </button>
        </div>
      </div>
      {isOpen && <EncoderSettings row={row} />}
    </li>
  );
}

/** Who sends with it now: its participant, or those of both encoders of a redundant ingest. */
function Senders({ row: { stageArn, userId, participantId, redundantIngest } }: { row: IngestSummary }) {
  const stage = known.value.stages.find(({ arn }) => arn === stageArn);
  const people = stage?.participants.filter(each =>
    redundantIngest ? each.ingest && each.userId === (userId ?? "") : each.participantId === participantId,
  );
  const sending = people?.filter(each => each.publishing) ?? [];
  if (sending.length === 0) return null;
  const shown = sending.some(isShown);
  return (
    <p class="hint" data-senders="">
      Sends now:{" "}
      {sending.map((each, at) => (
        <span key={each.participantId}>
          {at > 0 && ", "}
          <bdi>{displayName(each)}</bdi>
        </span>
      ))}
      {shown ? "" : " (not shown to viewers)"}.
    </p>
  );
}
