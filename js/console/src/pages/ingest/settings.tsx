/** How an encoder is set up for an ingest configuration. Stream keys are shown when somebody asks for them only. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { regionOf } from "../../api/arn";
import {
  type Endpoints,
  getEndpoints,
  getIngest,
  type IngestConfiguration,
  type IngestSummary,
} from "../../api/ingest";
import { known } from "../../api/live";
import { CopyButton } from "../../components/copy";
import { Problem } from "../../components/feedback";
import { describeError } from "../../text/explain";
import { ffmpegLine, HIDDEN, OBS_OUTPUT, serversOf } from "./encoders";

export function EncoderSettings({ row }: { row: IngestSummary }) {
  const got = useSignal<{ configuration: IngestConfiguration; endpoints?: Endpoints } | undefined>(undefined);
  const problem = useSignal("");
  const { arn, stageArn, state } = row;
  // The addresses are the same for all stages, so one of another stage will do.
  const any = stageArn || (known.value.stages.find(each => regionOf(each.arn) === regionOf(arn))?.arn ?? "");
  useEffect(() => {
    let isOver = false;
    Promise.all([getIngest(arn), any ? getEndpoints(any) : undefined]).then(
      ([configuration, endpoints]) => {
        if (isOver) return;
        got.value = { configuration, endpoints };
        problem.value = "";
      },
      error => {
        if (!isOver) problem.value = describeError(error);
      },
    );
    return () => {
      isOver = true;
    };
  }, [arn, any, state, got, problem]);
  if (!got.value) return problem.value ? <Problem text={problem.value} /> : <p class="hint">Loading…</p>;
  const { configuration, endpoints } = got.value;
  const keys = configuration.redundantIngestCredentials?.map(({ streamKey }) => streamKey) ?? [];
  const isRedundant = keys.length > 0;
  return (
    <div class="ingest-settings">
      {isRedundant ? (
        keys.map((key, at) => (
          <OneEncoder key={key} title={`Encoder ${at + 1}`} streamKey={key} row={row} endpoints={endpoints} />
        ))
      ) : (
        <OneEncoder title="Encoder" streamKey={configuration.streamKey} row={row} endpoints={endpoints} />
      )}
      <section class="ingest-obs" aria-label="OBS">
        <h3>The other settings in OBS</h3>
        <dl class="facts">
          {OBS_OUTPUT.flatMap(([field, value]) => [
            <dt key={`${field} name`}>{field}</dt>,
            <dd key={field}>{value}</dd>,
          ])}
        </dl>
      </section>
    </div>
  );
}

interface OneProps {
  title: string;
  streamKey: string;
  row: IngestSummary;
  endpoints: Endpoints | undefined;
}

function OneEncoder({ title, streamKey, row, endpoints }: OneProps) {
  const isShown = useSignal(false);
  const servers = serversOf(row, endpoints);
  const shown = isShown.value ? streamKey : HIDDEN;
  return (
    <section class="ingest-encoder" aria-label={title}>
      <h3>{title}</h3>
      <dl class="facts">
        <dt>Service</dt>
        <dd>Custom…</dd>
        {servers.flatMap(server => [
          <dt key={`${server} name`}>Server</dt>,
          <dd key={server} class="actions">
            <code class="chip">{server}</code>
            <CopyButton text={server} what={`server ${server} of ${title}`} />
          </dd>,
        ])}
        <dt>Stream Key</dt>
        <dd class="actions">
          <code class="chip" data-stream-key="">
            {shown}
          </code>
          <button
            type="button"
            class="button small"
            aria-label={`${isShown.value ? "Hide" : "Show"} the stream key of ${title}`}
            onClick={() => {
              isShown.value = !isShown.value;
            }}
          >
            {isShown.value ? "Hide" : "Show"}
          </button>
          <CopyButton text={streamKey} what={`stream key of ${title}`} />
        </dd>
      </dl>
      {servers.length === 0 && (
        <p class="problem">
          {endpoints
            ? `The server takes no ${row.ingestProtocol} that this key is for: start it with --${row.ingestProtocol.toLowerCase()} ADDR.`
            : "There is no stage in this Region whose addresses could be shown."}
        </p>
      )}
      {servers.slice(0, 1).map(server => (
        <div class="lines" key={server}>
          <header class="lines-head">
            <h4>FFmpeg</h4>
            <CopyButton
              text={ffmpegLine(server, streamKey)}
              what={`FFmpeg's line of ${title}, with the key`}
            />
          </header>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: wide lines are scrolled by keyboard */}
          <pre tabIndex={0}>
            <code>{ffmpegLine(server, shown)}</code>
          </pre>
        </div>
      ))}
    </section>
  );
}
