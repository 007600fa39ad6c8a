/** One row of the list of recordings. */

import { useEffect, useState } from "preact/hooks";

import { fetchRecordingLink, type Recording } from "../../api/recordings";
import { Name } from "../../components/name";
import { detailsOf, isOpen, isPlayable, personOf, wordOf } from "./describe";

/** The thumbnail of a row: the newest where it is stored, or the first. */
const LATEST = "media/latest_thumbnail/high/thumb.jpg";
const FIRST = "media/thumbnails/high/1.jpg";

interface Props {
  recording: Recording;
  /** Names of stages by ARN. */
  names: Map<string, string>;
  isPlaying: boolean;
  onPlay: () => void;
  onPause: (isPaused: boolean) => void;
}

export function RecordingRow({ recording, names, isPlaying, onPlay, onPause }: Props) {
  const { recordingId, paused, errorCode, errorMessage, statusMessage } = recording;
  const person = personOf(recording);
  const word = wordOf(recording);
  const told = errorMessage ?? statusMessage;
  return (
    <li class="recording" data-recording={recordingId} data-playing={isPlaying || undefined}>
      <Thumbnail recording={recording} />
      <div class="recording-text">
        <p class="recording-name">
          <span>
            {recording.userId && (
              <>
                <Name text={recording.userId} />
                {" · "}
              </>
            )}
            <span class={recording.userId ? "recording-id" : undefined}>{recording.participantId}</span>
          </span>
          <span class="badge" data-state={word}>
            {word}
          </span>
        </p>
        {detailsOf(recording, names).map(line => (
          <p key={line} class="recording-detail">
            {line}
          </p>
        ))}
        {told && <p class={errorCode ? "problem" : "recording-detail"}>{told}</p>}
      </div>
      <div class="actions recording-actions">
        {isPlayable(recording) && (
          <button
            type="button"
            class="button small"
            aria-label={`Play the recording of ${person}`}
            aria-pressed={isPlaying}
            onClick={onPlay}
          >
            Play
          </button>
        )}
        {isOpen(recording) && (
          <button
            type="button"
            class="button small"
            aria-label={`${paused ? "Resume" : "Pause"} the recording of ${person}`}
            onClick={() => onPause(!paused)}
          >
            {paused ? "Resume" : "Pause"}
          </button>
        )}
      </div>
    </li>
  );
}

/** The thumbnail, in the room that is kept for it. It is asked for again when the recording's state changes. */
function Thumbnail({ recording }: { recording: Recording }) {
  const { recordingId, stageArn, recordingState, thumbnailStorage, startTime } = recording;
  const hasOne = thumbnailStorage.length > 0 && startTime !== undefined;
  const name = thumbnailStorage.includes("LATEST") ? LATEST : FIRST;
  const [source, setSource] = useState<string | undefined>(undefined);
  useEffect(() => {
    if (!hasOne) return;
    let isOver = false;
    fetchRecordingLink({ recordingId, stageArn }, false).then(
      link => {
        if (!isOver) setSource(link.base + name);
      },
      // Without a link there is no picture, and the row says the rest.
      () => {},
    );
    return () => {
      isOver = true;
    };
  }, [recordingId, stageArn, recordingState, hasOne, name]);
  if (!hasOne) return null;
  return (
    <div class="recording-screen">
      {source && <img class="recording-picture" src={source} alt="" onError={() => setSource(undefined)} />}
    </div>
  );
}
