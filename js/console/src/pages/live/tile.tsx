/** One tile of the wall: a participant's picture, or the reason why there is none. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { Seat, Stage } from "../../api/types";
import { RoleBadge } from "../../components/feedback";
import { Player } from "../../media/player";
import { displayName, roleOf, seatName, stageName } from "../../text/names";

interface Props {
  seat: Seat;
  /** Where a replica comes from, if that is known. */
  sourceStage: Stage | undefined;
  onClose: () => void;
}

export function Tile({ seat, sourceStage, onClose }: Props) {
  const { stage, participant } = seat;
  const video = useRef<HTMLVideoElement>(null);
  const closeButton = useRef<HTMLButtonElement>(null);
  const [player, setPlayer] = useState<Player | undefined>(undefined);
  const [isMuted, setMuted] = useState(true);
  useEffect(() => {
    if (!video.current) return;
    const made = new Player(video.current, stage.arn, participant.participantId);
    setPlayer(made);
    return () => made.close();
  }, [stage.arn, participant.participantId]);
  const role = roleOf(participant);
  const state = player?.state.value ?? "connecting";
  const problem = player?.problem.value ?? "";
  const retry = () => {
    player?.retry();
    closeButton.current?.focus();
  };
  return (
    <article
      class="tile"
      aria-label={seatName(seat)}
      data-state={state}
      data-role={role}
      data-stage={stage.arn}
      data-participant={participant.participantId}
    >
      <div class="screen">
        <video ref={video} class="picture" muted={isMuted} playsInline aria-label={seatName(seat)} />
        <p class="tile-state" role="status">
          {player?.label.value ?? "connecting"}
        </p>
        <div class="tile-problem" hidden={problem === ""}>
          <p class="tile-problem-text" role="alert">
            {problem}
          </p>
          {state === "failed" && (
            <button type="button" class="button tile-retry" onClick={retry}>
              Try again
            </button>
          )}
        </div>
      </div>
      <div class="tile-caption">
        <div class="tile-title">
          <bdi class="tile-name">{displayName(participant)}</bdi>
          <RoleBadge role={role} />
        </div>
        <p class="tile-where">
          in <strong>{stageName(stage)}</strong>
          {role === "REPLICA" &&
            `, replicated from ${sourceStage ? stageName(sourceStage) : "another stage"}`}
          {participant.ingest === "COMMON" && ", what viewers see of both encoders"}
        </p>
        <p class="tile-stats">{player?.stats.value}</p>
        <p class="tile-link">{player?.link.value}</p>
        <div class="tile-foot">
          <meter
            class="meter"
            aria-label="Sound level"
            min={0}
            max={1}
            high={0.85}
            value={player?.level.value ?? 0}
          />
          <button
            type="button"
            class="button small tile-sound"
            aria-pressed={!isMuted}
            onClick={() => setMuted(!isMuted)}
          >
            {isMuted ? "Sound off" : "Sound on"}
          </button>
          <button
            type="button"
            class="button small tile-close"
            aria-label={`Close ${seatName(seat)}`}
            ref={closeButton}
            onClick={onClose}
          >
            Close
          </button>
        </div>
      </div>
    </article>
  );
}
