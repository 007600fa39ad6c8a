/** The replicas of a participant, paginated as boto3 does it, and the same list in programs. */

import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";

import { idOf } from "../../api/arn";
import { known, loadAll } from "../../api/live";
import { listReplicas } from "../../api/operations";
import { apiUrl } from "../../api/transport";
import type { Replica } from "../../api/types";
import { CopyButton } from "../../components/copy";
import { Empty, StateBadge } from "../../components/feedback";
import { Field, Form, Misfit, TextField, textOf } from "../../components/form";
import { Lines } from "../../components/lines";
import { Name } from "../../components/name";
import { PageHead } from "../../components/page";
import { type Column, Table } from "../../components/table";
import { hrefOf, query } from "../../routes";
import { counted, displayName, isShown, roleOf, stageName } from "../../text/names";
import { boto3Lines, CREDENTIALS, cliLines, rustLines, type Shown } from "./lines";
import { type Result, readAll } from "./paginator";
import "./replicas.css";

/** The most that ListParticipantReplicas takes for maxResults. */
const PAGE_MAX = 50;

interface Listed {
  shown: Shown;
  result: Result<Replica>;
}

export function ReplicasPage() {
  const listed = useSignal<Listed | undefined>(undefined);
  const stageArn = useSignal(query.value.get("stage") ?? "");
  const participantId = useSignal(query.value.get("participant") ?? "");
  const startingToken = useSignal("");
  useEffect(loadAll, []);
  const read = async (values: FormData) => {
    const shown: Shown = {
      endpoint: apiUrl(),
      sourceStageArn: required(values, "stage", "Choose the source stage."),
      participantId: required(values, "participant", "Choose the participant, or enter its id."),
      maxItems: countOf(values, "maxItems"),
      pageSize: countOf(values, "pageSize", PAGE_MAX),
      startingToken: textOf(values, "startingToken") || undefined,
    };
    const result = await readAll(async (maxResults, nextToken) => {
      const page = await listReplicas(shown.sourceStageArn, shown.participantId, { maxResults, nextToken });
      return { items: page.replicas, nextToken: page.nextToken };
    }, shown);
    listed.value = { shown, result };
  };
  return (
    <>
      <PageHead
        title="Replicas of a participant"
        hint="ListParticipantReplicas, with MaxItems, PageSize and StartingToken as boto3 and the AWS CLI have them."
      />
      <Form
        id="replicas-form"
        class="replicas-form panel"
        onSend={read}
        actions={
          <button type="submit" class="button primary">
            List replicas
          </button>
        }
      >
        <Choice stageArn={stageArn} participantId={participantId} />
        <TextField label="MaxItems" name="maxItems" type="number" min={1} placeholder="all" />
        <TextField
          label={`PageSize (1 to ${PAGE_MAX})`}
          name="pageSize"
          type="number"
          min={1}
          max={PAGE_MAX}
          placeholder="50"
        />
        <Field label="StartingToken" class="wide">
          {control => (
            <input
              name="startingToken"
              autocomplete="off"
              spellcheck={false}
              placeholder="the NextToken of an earlier list"
              value={startingToken.value}
              onInput={event => {
                startingToken.value = event.currentTarget.value;
              }}
              {...control}
            />
          )}
        </Field>
      </Form>
      {listed.value && (
        <Found
          {...listed.value}
          onGoOn={token => {
            startingToken.value = token;
            // Once the field has it.
            queueMicrotask(() =>
              (document.getElementById("replicas-form") as HTMLFormElement)?.requestSubmit(),
            );
          }}
        />
      )}
    </>
  );
}

function required(values: FormData, name: string, message: string): string {
  const text = textOf(values, name);
  if (!text) throw new Misfit(name, message);
  return text;
}

function countOf(values: FormData, name: string, most = Number.MAX_SAFE_INTEGER): number | undefined {
  const text = textOf(values, name);
  if (!text) return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > most) {
    throw new Misfit(name, "This must be a whole number, and one that the field allows.");
  }
  return count;
}

interface ChoiceProps {
  stageArn: { value: string };
  participantId: { value: string };
}

function Choice({ stageArn, participantId }: ChoiceProps) {
  const people = useId();
  const { stages, isLoaded } = known.value;
  // Stages from which something is replicated come first.
  const sources = stages.filter(stage => stage.participants.some(each => roleOf(each) === "SOURCE"));
  const ordered = [...sources, ...stages.filter(stage => !sources.includes(stage))];
  const chosen = stages.find(stage => stage.arn === stageArn.value) ?? ordered[0];
  const own = chosen?.participants.filter(each => isShown(each) && roleOf(each) !== "REPLICA") ?? [];
  const only = own.find(each => roleOf(each) === "SOURCE") ?? own[0];
  useEffect(() => {
    if (!participantId.value && only) participantId.value = only.participantId;
  }, [only, participantId]);
  return (
    <>
      <Field
        label="Source stage"
        hint={stages.length === 0 && isLoaded ? "There are no stages yet." : undefined}
      >
        {control => (
          <select
            name="stage"
            value={chosen?.arn}
            onChange={event => {
              stageArn.value = event.currentTarget.value;
              participantId.value = "";
            }}
            {...control}
          >
            {ordered.map(stage => (
              <option key={stage.arn} value={stage.arn}>
                {stageName(stage)} ({idOf(stage.arn)})
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Participant id">
        {control => (
          <>
            <input
              name="participant"
              list={people}
              autocomplete="off"
              spellcheck={false}
              value={participantId.value}
              onInput={event => {
                participantId.value = event.currentTarget.value;
              }}
              {...control}
            />
            <datalist id={people}>
              {own.map(each => (
                <option key={each.participantId} value={each.participantId}>
                  {displayName(each)}
                </option>
              ))}
            </datalist>
          </>
        )}
      </Field>
    </>
  );
}

interface FoundProps extends Listed {
  onGoOn: (nextToken: string) => void;
}

function Found({ shown, result, onGoOn }: FoundProps) {
  const { items, nextToken, requests } = result;
  const nameOf = (arn: string) => {
    const stage = known.value.stages.find(each => each.arn === arn);
    return stage ? stageName(stage) : idOf(arn);
  };
  const columns: Column<Replica>[] = [
    {
      title: "Destination stage",
      kind: "wide",
      cell: ({ destinationStageArn: arn }) => (
        <>
          <a href={hrefOf("stages", idOf(arn))}>
            <Name text={nameOf(arn)} />
          </a>{" "}
          <code>{idOf(arn)}</code>
        </>
      ),
    },
    {
      title: "State",
      cell: ({ replicationState }) => (
        <StateBadge tone={replicationState === "ACTIVE" ? "good" : "quiet"}>{replicationState}</StateBadge>
      ),
    },
    { title: "Source session", cell: ({ sourceSessionId }) => <code>{sourceSessionId}</code> },
    { title: "Destination session", cell: ({ destinationSessionId }) => <code>{destinationSessionId}</code> },
  ];
  return (
    <>
      <section class="panel" aria-labelledby="replicas-title" id="replicas">
        <h2 id="replicas-title">Replicas</h2>
        <Table
          caption="Replicas of the participant"
          columns={columns}
          rows={items}
          keyOf={each => `${each.destinationStageArn} ${each.destinationSessionId}`}
          empty={<Empty title="This participant has no replicas" />}
        />
        <p class="found" role="status" id="replicas-count">
          {counted(items.length, "replica")} in {counted(requests, "request")}
          {nextToken ? "; there are more." : "; the list is complete."}
        </p>
        {nextToken && (
          <div class="actions next-token">
            <code class="chip" id="next-token">
              {nextToken}
            </code>
            <CopyButton text={nextToken} what="NextToken" label="Copy NextToken" />
            <button type="button" class="button small" onClick={() => onGoOn(nextToken)}>
              Go on from here
            </button>
          </div>
        )}
      </section>
      <section class="panel" aria-labelledby="programs-title">
        <h2 id="programs-title">The same list in programs</h2>
        <p class="hint">
          With an access key in the environment: <code class="chip">{CREDENTIALS}</code>
        </p>
        <Lines title="boto3" text={boto3Lines(shown)} />
        <Lines title="AWS CLI" text={cliLines(shown)} />
        <Lines title="Rust" text={rustLines(shown)} />
      </section>
    </>
  );
}
