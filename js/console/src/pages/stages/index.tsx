/** All stages: found, created, deleted. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { idOf, regionOf } from "../../api/arn";
import { LOADED_MAX } from "../../api/directory";
import { known, loadAll, loadMore } from "../../api/live";
import type { Stage } from "../../api/types";
import { CopyButton } from "../../components/copy";
import { Empty, RoleBadge } from "../../components/feedback";
import { Name } from "../../components/name";
import { PageHead } from "../../components/page";
import { hrefOf, query } from "../../routes";
import { displayName, isShown, roleOf, stageName } from "../../text/names";
import { CreateStage } from "./create";
import { DeleteStage } from "./delete";
import { TokenDialog } from "./token";
import "./stages.css";

/** Publishers of a stage that are named in its row. */
const NAMED_MAX = 6;

export function StagesPage() {
  // Pages of their own lead to a stage by the address before its `#`.
  const wanted = query.value.get("find") ?? new URLSearchParams(location.search).get("find");
  const search = useSignal(wanted ?? "");
  const opened = useSignal<{ what: "token" | "delete"; stage: Stage } | undefined>(undefined);
  const { stages, hasMore, isLoaded, regions } = known.value;
  const found = stages.filter(stage => matches(stage, search.value));
  useEffect(() => {
    if (search.value.trim()) loadAll();
  }, [search.value]);
  const close = () => {
    opened.value = undefined;
  };
  return (
    <>
      <PageHead title="Stages" />
      <CreateStage />
      <div class="field search">
        <label for="search">Find a stage or a participant</label>
        <input
          id="search"
          type="search"
          autocomplete="off"
          spellcheck={false}
          placeholder="name, id or tag"
          value={search.value}
          onInput={event => {
            search.value = event.currentTarget.value;
          }}
        />
      </div>
      <ul class="stages" id="stages" aria-label="Stages" aria-busy={!isLoaded}>
        {found.map(stage => (
          <StageRow
            key={stage.arn}
            stage={stage}
            hasRegion={regions.length > 1}
            onToken={() => {
              opened.value = { what: "token", stage };
            }}
            onDelete={() => {
              opened.value = { what: "delete", stage };
            }}
          />
        ))}
      </ul>
      <p class="found" id="stages-found" role="status">
        {describe(found.length, search.value)}
      </p>
      {hasMore && stages.length < LOADED_MAX && (
        <button type="button" class="button" id="stages-more" onClick={loadMore}>
          Load more stages
        </button>
      )}
      {stages.length === 0 && (isLoaded || regions.length === 0) && (
        <Empty title="No stages yet" id="stages-empty">
          <p>
            Create one above, or run <code class="chip">restage demo</code>.
          </p>
        </Empty>
      )}
      {opened.value?.what === "token" && <TokenDialog stage={opened.value.stage} onClose={close} />}
      {opened.value?.what === "delete" && <DeleteStage stage={opened.value.stage} onClose={close} />}
    </>
  );
}

function describe(found: number, search: string): string {
  const { stages, hasMore, hasMoreLive } = known.value;
  const parts = [];
  if (search.trim()) parts.push(`${found} of ${stages.length} stages match.`);
  if (hasMore) parts.push(`${stages.length} stages are loaded; there are more.`);
  if (hasMoreLive) parts.push("Participants are shown of the oldest stages with a session only.");
  return parts.join(" ");
}

function matches(stage: Stage, search: string): boolean {
  const wanted = search.trim().toLowerCase();
  if (!wanted) return true;
  const people = stage.participants.flatMap(({ participantId, userId }) => [participantId, userId]);
  const tags = Object.entries(stage.tags ?? {}).flat();
  return [stage.name, stage.arn, ...people, ...tags].some(text => text.toLowerCase().includes(wanted));
}

interface RowProps {
  stage: Stage;
  hasRegion: boolean;
  onToken: () => void;
  onDelete: () => void;
}

function StageRow({ stage, hasRegion, onToken, onDelete }: RowProps) {
  const name = stageName(stage);
  const publishers = stage.participants.filter(isShown);
  const count = stage.activeSessionId ? `${publishers.length} publishing` : "no session";
  return (
    <li class="stage" data-stage={stage.arn}>
      <div class="stage-text">
        <p class="stage-title">
          <a class="stage-name" href={hrefOf("stages", idOf(stage.arn))}>
            {name}
          </a>
          <span class="stage-count" data-live={publishers.length > 0 || undefined}>
            {count}
          </span>
        </p>
        <p class="stage-facts">
          <code class="stage-id" title={stage.arn}>
            {idOf(stage.arn)}
          </code>
          {hasRegion && <span class="stage-region">{regionOf(stage.arn)}</span>}
          {Object.entries(stage.tags ?? {}).map(([key, value]) => (
            <bdi key={key} class="tag">
              {value ? `${key}: ${value}` : key}
            </bdi>
          ))}
        </p>
        {publishers.length > 0 && (
          <ul class="stage-people" aria-label={`Publishing in ${name}`}>
            {publishers.slice(0, NAMED_MAX).map(participant => (
              <li key={participant.participantId} data-role={roleOf(participant)}>
                <Name text={displayName(participant)} /> <RoleBadge role={roleOf(participant)} />
              </li>
            ))}
            {publishers.length > NAMED_MAX && <li>{publishers.length - NAMED_MAX} more</li>}
          </ul>
        )}
      </div>
      <div class="actions">
        <a
          class="button small stage-open"
          href={hrefOf("stages", idOf(stage.arn))}
          aria-label={`Open ${name}`}
        >
          Open
        </a>
        <CopyButton text={stage.arn} what={`ARN of ${name}`} label="Copy ARN" />
        <button type="button" class="button small" aria-label={`Token for ${name}`} onClick={onToken}>
          Token…
        </button>
        <button type="button" class="button small" aria-label={`Delete ${name}`} onClick={onDelete}>
          Delete…
        </button>
      </div>
    </li>
  );
}
