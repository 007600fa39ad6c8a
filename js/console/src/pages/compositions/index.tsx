/** All compositions of a Region: shown, played, started, stopped. */

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";

import { idOf } from "../../api/arn";
import {
  type Composition,
  type Encoder,
  fetchTold,
  getComposition,
  type Item,
  listCompositions,
  listEncoders,
} from "../../api/compositions";
import { Refused } from "../../api/errors";
import { known } from "../../api/live";
import { region } from "../../api/region";
import { Empty, Problem } from "../../components/feedback";
import { PageHead } from "../../components/page";
import { PlaybackTile } from "../../components/playback";
import { usePolled } from "../../components/polled";
import { RegionField } from "../../components/region";
import { Playback } from "../../media/playback";
import { counted, stageName } from "../../text/names";
import { isOpen } from "./describe";
import { CompositionRow } from "./row";
import { StartDialog, StopDialog } from "./start";
import { CompositionView } from "./view";
import "../recordings/recordings.css";
import "./compositions.css";

const REFRESH_MS = 2000;
/** Compositions whose settings are asked for at one time, so that the API's rates are kept. */
const GETS_MAX = 4;

export function CompositionsPage() {
  const chosen = useSignal("");
  const asked = useSignal<"start" | Item | undefined>(undefined);
  const playback = useMemo(() => new Playback(), []);
  const settings = useRef(new Map<string, Composition>());
  const encoders = useSignal(new Map<string, string>());
  const shownAt = useRef<HTMLDivElement>(null);
  const own = region.value;
  useEffect(() => {
    // Without their names they are called by their ids.
    const take = (all: Encoder[]) => {
      encoders.value = new Map(all.map(({ arn, name }) => [arn, name]));
    };
    if (own) listEncoders(own).then(take, () => {});
  }, [own, encoders]);
  const list = usePolled(() => load(own, settings.current), REFRESH_MS, own);
  const { items = [], hasMore = false, channelArns = [] } = list.value ?? {};
  const names = new Map(known.value.stages.map(stage => [stage.arn, stageName(stage)]));
  // The stage by its name, or by its id if it has none or was deleted.
  const stageOf = ({ summary: { stageArn } }: Item) => names.get(stageArn) || idOf(stageArn);
  // The chosen one, or the newest that runs, or the newest.
  const shown = items.find(({ summary }) => summary.arn === chosen.value) ?? items.find(isOpen) ?? items[0];
  const show = (arn: string) => {
    chosen.value = arn;
    shownAt.current?.scrollIntoView({ block: "nearest" });
  };
  const play = (item: Item, recordingId: string) => {
    const { arn, stageArn } = item.summary;
    const where = `${stageOf(item)} · ${recordingId}`;
    const name = `Composition · ${idOf(arn)}`;
    playback.play({ recordingId, stageArn, name, where, isOpen: isOpen(item) });
  };
  const close = () => {
    asked.value = undefined;
  };
  return (
    <>
      <PageHead title="Compositions">
        <button
          type="button"
          class="button primary"
          aria-haspopup="dialog"
          onClick={() => {
            asked.value = "start";
          }}
        >
          Start a composition…
        </button>
      </PageHead>
      <div class="listening">
        <section class="listening-main" aria-label="The composition">
          <div ref={shownAt}>
            {shown && <CompositionView item={shown} stage={stageOf(shown)} />}
            {!shown && (
              <Empty
                title={list.value ? "No compositions" : "Loading…"}
                id={list.value && "compositions-empty"}
              >
                <p>
                  Start one above, or run <code class="chip">restage compositions start</code>. Here is then
                  where each participant is, and how the compositor does. One that has ended is listed for
                  five minutes.
                </p>
              </Empty>
            )}
          </div>
          <PlaybackTile playback={playback} />
        </section>
        <section class="listening-list" aria-label="All compositions">
          <RegionField />
          <p class="hint" id="compositions-found" role="status">
            {list.value ? describe(items, hasMore) : "Loading…"}
          </p>
          <Problem text={list.problem} />
          <ul class="recordings" id="compositions" aria-label="Compositions" aria-busy={!list.value}>
            {items.map(item => (
              <CompositionRow
                key={item.summary.arn}
                item={item}
                stage={stageOf(item)}
                encoders={encoders.value}
                isShown={item === shown}
                playing={playback.playing.value}
                onShow={() => show(item.summary.arn)}
                onPlay={recordingId => play(item, recordingId)}
                onStop={() => {
                  asked.value = item;
                }}
              />
            ))}
          </ul>
        </section>
      </div>
      {asked.value === "start" && (
        <StartDialog
          region={own}
          channelArns={channelArns}
          onStarted={arn => {
            chosen.value = arn;
            void list.refresh();
          }}
          onClose={close}
        />
      )}
      {asked.value && asked.value !== "start" && (
        <StopDialog
          item={asked.value}
          stage={stageOf(asked.value)}
          onStopped={() => void list.refresh()}
          onClose={close}
        />
      )}
    </>
  );
}

function describe(items: Item[], hasMore: boolean): string {
  const running = items.filter(isOpen).length;
  const more = hasMore ? `${items.length} compositions are loaded; there are more. ` : "";
  return `${more}${counted(items.length, "composition")}, ${running} running`;
}

/** The newest first. */
async function load(region: string, settings: Map<string, Composition>) {
  const [listed, told] = await Promise.all([listCompositions(region), fetchTold(region)]);
  await learn(
    listed.all.map(({ arn }) => arn),
    settings,
  );
  const items: Item[] = listed.all
    .map(summary => ({
      summary,
      got: settings.get(summary.arn),
      told: told.all.find(({ arn }) => arn === summary.arn),
    }))
    .reverse();
  return { items, hasMore: listed.hasMore, channelArns: told.channelArns };
}

/**
 * Asks for the settings of some that are not known; they do not change.
 * @param arns From the oldest to the newest.
 */
async function learn(arns: string[], settings: Map<string, Composition>): Promise<void> {
  for (const arn of settings.keys()) if (!arns.includes(arn)) settings.delete(arn);
  for (const arn of arns.filter(arn => !settings.has(arn)).slice(-GETS_MAX)) {
    // One that is gone, or asked for too often, is not known this time.
    const got = await getComposition(arn).catch(error => {
      if (!(error instanceof Refused)) throw error;
      return undefined;
    });
    if (got) settings.set(arn, got);
  }
}
