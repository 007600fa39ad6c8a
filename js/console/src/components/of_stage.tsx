/** Finds the stage whose id is in the address. */

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

import { idOf } from "../api/arn";
import { known, loadAll } from "../api/live";
import type { Stage } from "../api/types";
import { Empty } from "./feedback";
import { PageHead } from "./page";

export function OfStage({ id, children }: { id: string; children: (stage: Stage) => ComponentChildren }) {
  const { stages, hasMore, isLoaded } = known.value;
  const stage = stages.find(each => idOf(each.arn) === id);
  useEffect(() => {
    if (!stage && isLoaded && hasMore) loadAll();
  }, [stage, isLoaded, hasMore]);
  if (stage) return <>{children(stage)}</>;
  return (
    <>
      <PageHead title="" name={id} />
      {isLoaded && !hasMore ? (
        <Empty title="There is no such stage">
          <p>
            It may have been deleted, and its history with it. <a href="#/stages">All stages</a>
          </p>
        </Empty>
      ) : (
        <p class="hint">Looking for the stage…</p>
      )}
    </>
  );
}
