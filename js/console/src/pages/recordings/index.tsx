/** All recordings of a Region: found, paused, played. */

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";

import { idOf } from "../../api/arn";
import { known } from "../../api/live";
import { allPages, LOADED_MAX } from "../../api/paging";
import { listRecordings, pauseRecording, type Recording } from "../../api/recordings";
import { region } from "../../api/region";
import { Empty, Problem } from "../../components/feedback";
import { PageHead } from "../../components/page";
import { PlaybackTile } from "../../components/playback";
import { usePolled } from "../../components/polled";
import { RegionField } from "../../components/region";
import { Playback } from "../../media/playback";
import { describeError } from "../../text/explain";
import { counted, stageName } from "../../text/names";
import { isOpen, personOf, stageOf } from "./describe";
import { RecordingRow } from "./row";
import "./recordings.css";

const REFRESH_MS = 2000;
/** Recordings that are loaded at first, and each time that more are requested. */
const PAGE_ROWS = 50;

export function RecordingsPage() {
  const wanted = useSignal(PAGE_ROWS);
  const search = useSignal("");
  const refused = useSignal("");
  const playback = useMemo(() => new Playback(), []);
  const own = region.value;
  const list = usePolled(
    () => allPages(nextToken => listRecordings(own, PAGE_ROWS, nextToken), wanted.value),
    REFRESH_MS,
    own,
  );
  const names = new Map(known.value.stages.map(stage => [stage.arn, stageName(stage)]));
  const { all = [], hasMore = false } = list.value ?? {};
  const isEmpty = list.value !== undefined && all.length === 0;
  const found = all.filter(recording => matches(recording, search.value, names));
  const play = (recording: Recording) => {
    const { recordingId, stageArn } = recording;
    const where = `${stageOf(recording, names)} · ${recordingId}`;
    playback.play({ recordingId, stageArn, where, name: personOf(recording), isOpen: isOpen(recording) });
  };
  const pause = async (recording: Recording, isPaused: boolean) => {
    refused.value = "";
    try {
      await pauseRecording(recording, isPaused);
      await list.refresh();
    } catch (error) {
      refused.value = describeError(error);
    }
  };
  const more = () => {
    wanted.value += PAGE_ROWS;
    void list.refresh();
  };
  return (
    <>
      <PageHead title="Recordings" />
      <div class="listening">
        <section class="listening-main" aria-label="Playing">
          <PlaybackTile playback={playback} />
          {!playback.chosen.value && (isEmpty ? <NoRecordings /> : <NothingPlays />)}
        </section>
        <section class="listening-list" aria-label="All recordings">
          <div class="inline-form">
            <RegionField />
            <div class="field">
              <label for="search">Find a recording</label>
              <input
                id="search"
                type="search"
                autocomplete="off"
                spellcheck={false}
                placeholder="stage, participant or id"
                value={search.value}
                onInput={event => {
                  search.value = event.currentTarget.value;
                }}
              />
            </div>
          </div>
          <p class="hint" id="recordings-found" role="status">
            {list.value ? describe(all, hasMore, found.length, search.value) : "Loading…"}
          </p>
          <Problem text={refused.value || list.problem} id="recordings-problem" />
          <ul class="recordings" id="recordings" aria-label="Recordings" aria-busy={!list.value}>
            {found.map(recording => (
              <RecordingRow
                key={recording.recordingId}
                recording={recording}
                names={names}
                isPlaying={playback.playing.value === recording.recordingId}
                onPlay={() => play(recording)}
                onPause={isPaused => pause(recording, isPaused)}
              />
            ))}
          </ul>
          {hasMore && wanted.value < LOADED_MAX && (
            <button type="button" class="button" id="recordings-more" onClick={more}>
              Load more recordings
            </button>
          )}
        </section>
      </div>
    </>
  );
}

/** Both are as high, so that nothing moves once the list is there. */
const NothingPlays = () => (
  <Empty title="Nothing is playing" id="player-empty">
    <p>Choose a recording from the list.</p>
  </Empty>
);

const NoRecordings = () => (
  <Empty title="No recordings yet" id="recordings-empty">
    <p>A stage records its participants when its recording configuration names a storage configuration.</p>
  </Empty>
);

function describe(all: Recording[], hasMore: boolean, found: number, search: string): string {
  if (search.trim()) return `${found} of ${counted(all.length, "recording")} match.`;
  const active = all.filter(({ recordingState }) => recordingState === "ACTIVE").length;
  return `${hasMore ? "more than " : ""}${counted(all.length, "recording")}, ${active} active`;
}

function matches(recording: Recording, search: string, names: Map<string, string>): boolean {
  const wanted = search.trim().toLowerCase();
  if (!wanted) return true;
  const { recordingId, participantId, userId, stageArn, sourceStageArn } = recording;
  const stages = [stageArn, sourceStageArn ?? ""].flatMap(arn => [arn, idOf(arn), names.get(arn) ?? ""]);
  const words = [recordingId, participantId, userId ?? "", recording.stageName ?? "", ...stages];
  return words.some(text => text.toLowerCase().includes(wanted));
}
