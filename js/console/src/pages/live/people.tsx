/** Who is in a stage, and what can be done about each. */

import { useSignal } from "@preact/signals";

import { known, refresh } from "../../api/live";
import { stopReplication } from "../../api/operations";
import type { Participant, Seat, Stage } from "../../api/types";
import { RoleBadge, toast } from "../../components/feedback";
import { Name } from "../../components/name";
import { describeError } from "../../text/explain";
import { detailsOf, displayName, isShown, roleOf, seatKey, seatName } from "../../text/names";
import { Disconnect } from "./disconnect";
import { Replicate } from "./replicate";
import { choose, sourceKeyOf, wantedKeys } from "./wall";

/** What is asked about a participant. */
type Asked = { what: "replicate" | "disconnect"; seat: Seat } | undefined;

export function People({ stage }: { stage: Stage }) {
  const asked = useSignal<Asked>(undefined);
  const publishing = stage.participants.filter(participant => participant.publishing);
  const silent = stage.participants.filter(
    participant => !participant.publishing && participant.state === "CONNECTED",
  );
  const rows = (participants: Participant[]) => (
    <ul class="participants">
      {participants.map(participant => (
        <Row
          key={participant.participantId}
          page={stage}
          seat={{ stage, participant }}
          onAsk={next => {
            asked.value = next;
          }}
        />
      ))}
    </ul>
  );
  const close = () => {
    asked.value = undefined;
  };
  return (
    <section class="panel people" aria-labelledby="people-title">
      <h2 id="people-title">Participants</h2>
      {publishing.length > 0 ? rows(publishing) : <p class="hint">Nobody publishes here.</p>}
      {silent.length > 0 && (
        // Folded, because there may be many.
        <details class="silent">
          <summary>
            {stage.hasMoreParticipants ? `More than ${silent.length}` : silent.length} connected, not
            publishing
          </summary>
          {rows(silent)}
        </details>
      )}
      {asked.value?.what === "replicate" && <Replicate seat={asked.value.seat} onClose={close} />}
      {asked.value?.what === "disconnect" && <Disconnect seat={asked.value.seat} onClose={close} />}
    </section>
  );
}

interface RowProps {
  /** The stage whose page it is. */
  page: Stage;
  seat: Seat;
  onAsk: (asked: Asked) => void;
}

function Row({ page, seat, onAsk }: RowProps) {
  const { participant } = seat;
  const role = roleOf(participant);
  const name = seatName(seat);
  return (
    <li class="participant" data-participant={participant.participantId} data-role={role}>
      <div class="participant-text">
        <p class="participant-name">
          <Name text={displayName(participant)} /> <RoleBadge role={role} />
        </p>
        <p class="participant-detail">
          {detailsOf(participant, known.value.stages).map((part, at) => (
            <span key={part}>
              {at > 0 && " · "}
              <bdi>{part}</bdi>
            </span>
          ))}
        </p>
      </div>
      <div class="actions">
        {isShown(participant) && <WatchButtons page={page} seat={seat} />}
        {role === "REPLICA" ? (
          <button
            type="button"
            class="button small"
            aria-label={`Stop replica of ${name}`}
            onClick={() => stop(seat)}
          >
            Stop replica
          </button>
        ) : (
          <>
            {isShown(participant) && (
              <button
                type="button"
                class="button small"
                aria-label={`Replicate ${name}`}
                onClick={() => onAsk({ what: "replicate", seat })}
              >
                Replicate…
              </button>
            )}
            <button
              type="button"
              class="button small"
              aria-label={`Disconnect ${name}`}
              onClick={() => onAsk({ what: "disconnect", seat })}
            >
              Disconnect…
            </button>
          </>
        )}
      </div>
    </li>
  );
}

function WatchButtons({ page, seat }: { page: Stage; seat: Seat }) {
  const { stages } = known.value;
  const key = seatKey(seat.stage, seat.participant);
  const wanted = wantedKeys(page, stages);
  const isWatching = wanted.includes(key);
  const source = sourceKeyOf(seat);
  const hasSource = source !== undefined && stages.some(stage => source.startsWith(`${stage.arn}|`));
  return (
    <>
      <button
        type="button"
        class="button small"
        aria-pressed={isWatching}
        aria-label={`Watch ${seatName(seat)}`}
        onClick={() => choose(page, stages, [key], !isWatching)}
      >
        Watch
      </button>
      {hasSource && !(isWatching && wanted.includes(source)) && (
        <button
          type="button"
          class="button small"
          aria-label={`With source: watch ${displayName(seat.participant)} in both stages side by side`}
          onClick={() => choose(page, stages, [source, key], true)}
        >
          With source
        </button>
      )}
    </>
  );
}

async function stop({ stage, participant }: Seat): Promise<void> {
  try {
    await stopReplication({
      sourceStageArn: participant.sourceStageArn ?? "",
      destinationStageArn: stage.arn,
      participantId: participant.participantId,
    });
    await refresh();
  } catch (error) {
    toast(`${displayName(participant)}: ${describeError(error)}`, "problem");
  }
}
