/** A stage as it is: pictures of who publishes, who is there, and the media connections. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { idOf } from "../../api/arn";
import { known, loadAll } from "../../api/live";
import { createToken } from "../../api/operations";
import type { Stage } from "../../api/types";
import { CopyButton } from "../../components/copy";
import { Empty, StateBadge, toast } from "../../components/feedback";
import { PageHead } from "../../components/page";
import { go, hrefOf } from "../../routes";
import { describeError } from "../../text/explain";
import { seatKey, stageName } from "../../text/names";
import type { PageProps } from "..";
import { DeleteStage } from "../stages/delete";
import { TokenDialog } from "../stages/token";
import { Connections } from "./connections";
import { People } from "./people";
import { openPublishing } from "./publishing";
import { Tile } from "./tile";
import { choose, watchedSeats } from "./wall";
import "./live.css";

/** The user id of whoever publishes from the console. */
const PUBLISHER = "console";
/** Validity of its token in minutes. */
const PUBLISHER_MIN = 720;

export function LivePage({ params: [id = ""] }: PageProps) {
  const { stages, hasMore, isLoaded } = known.value;
  const stage = stages.find(each => idOf(each.arn) === id);
  useEffect(() => {
    if (!stage && isLoaded && hasMore) loadAll();
  }, [stage, isLoaded, hasMore]);
  if (stage) return <LiveStage stage={stage} />;
  return (
    <>
      <PageHead title="" name={id} />
      {isLoaded && !hasMore ? (
        <Empty title="There is no such stage">
          <p>
            It may have been deleted. <a href="#/stages">All stages</a>
          </p>
        </Empty>
      ) : (
        <p class="hint">Looking for the stage…</p>
      )}
    </>
  );
}

function LiveStage({ stage }: { stage: Stage }) {
  const opened = useSignal<"token" | "delete" | undefined>(undefined);
  const close = () => {
    opened.value = undefined;
  };
  return (
    <>
      <PageHead
        title={stageName(stage)}
        beside={
          <StateBadge tone={stage.activeSessionId ? "good" : "quiet"}>
            {stage.activeSessionId ? "session in progress" : "no session"}
          </StateBadge>
        }
      >
        <button type="button" class="button" onClick={() => publishHere(stage)}>
          Publish here…
        </button>
        <a class="button" href={hrefOf("stages", idOf(stage.arn), "sessions")}>
          Sessions
        </a>
        <button
          type="button"
          class="button"
          aria-label={`Token for ${stageName(stage)}`}
          onClick={() => {
            opened.value = "token";
          }}
        >
          Token…
        </button>
        <button
          type="button"
          class="button"
          aria-label={`Delete ${stageName(stage)}`}
          onClick={() => {
            opened.value = "delete";
          }}
        >
          Delete…
        </button>
      </PageHead>
      <p class="actions stage-line">
        <code class="chip">{stage.arn}</code>
        <CopyButton text={stage.arn} what={`ARN of ${stageName(stage)}`} label="Copy ARN" />
        {Object.entries(stage.tags ?? {}).map(([key, value]) => (
          <bdi key={key} class="tag hint">
            {value ? `${key}: ${value}` : key}
          </bdi>
        ))}
      </p>
      <div class="live">
        <Wall stage={stage} />
        <People stage={stage} />
      </div>
      <Connections stage={stage} />
      {opened.value === "token" && <TokenDialog stage={stage} onClose={close} />}
      {opened.value === "delete" && (
        <DeleteStage stage={stage} onClose={close} onDeleted={() => go("stages")} />
      )}
    </>
  );
}

async function publishHere(stage: Stage): Promise<void> {
  try {
    const capabilities = ["PUBLISH", "SUBSCRIBE"];
    const wishes = { userId: PUBLISHER, capabilities, duration: PUBLISHER_MIN };
    const { token } = await createToken(stage.arn, wishes);
    openPublishing(token);
  } catch (error) {
    toast(describeError(error), "problem");
  }
}

function Wall({ stage }: { stage: Stage }) {
  const { stages } = known.value;
  const seats = watchedSeats(stage, stages);
  return (
    <section class="wall" aria-label="Playing">
      {seats.length === 0 && (
        <Empty title="Nothing is playing" id="wall-empty">
          <p>Choose a participant. A replica and its source can play side by side.</p>
        </Empty>
      )}
      <div class="tiles" id="tiles">
        {seats.map(seat => {
          const key = seatKey(seat.stage, seat.participant);
          return (
            <Tile
              key={key}
              seat={seat}
              sourceStage={stages.find(each => each.arn === seat.participant.sourceStageArn)}
              onClose={() => choose(stage, stages, [key], false)}
            />
          );
        })}
      </div>
    </section>
  );
}
