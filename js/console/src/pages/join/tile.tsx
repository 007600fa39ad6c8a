/** One of those who publish in the stage that somebody has joined. */

import { useSignal } from "@preact/signals";
import { type StageEvents, type StageParticipant, watch } from "@restage/client/connections";
import { useEffect, useRef } from "preact/hooks";

import { describeSession } from "../../text/explain";
import { nameOr } from "../../text/shown";

interface Props {
  person: StageParticipant;
  token: string;
  whepUrl: string;
  events: StageEvents | undefined;
}

export function JoinedTile({ person, token, whepUrl, events }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const label = useSignal("connecting");
  const problem = useSignal("");
  const isMuted = useSignal(true);
  useEffect(() => {
    if (!video.current) return;
    const media = watch(whepUrl, token, video.current, events ? { events } : {});
    const show = () => {
      const told = describeSession(media);
      label.value = told.label;
      problem.value = told.problem;
    };
    for (const event of ["statechange", "error", "warning"]) media.addEventListener(event, show);
    return () => media.close();
  }, [whepUrl, token, events, label, problem]);
  const name = nameOr(person.userId, person.id);
  return (
    <article class="joined-tile" aria-label={name} data-participant={person.id} data-state={label.value}>
      <video ref={video} class="joined-picture" muted={isMuted.value} playsInline aria-label={name} />
      <div class="joined-caption">
        <p class="joined-name">
          <bdi>{name}</bdi>
        </p>
        <p class="hint" role="status">
          {problem.value || label.value}
        </p>
        <button
          type="button"
          class="button small"
          aria-pressed={!isMuted.value}
          aria-label={`Sound ${isMuted.value ? "off" : "on"}: ${name}`}
          onClick={() => {
            isMuted.value = !isMuted.value;
          }}
        >
          {isMuted.value ? "Sound off" : "Sound on"}
        </button>
      </div>
    </article>
  );
}
