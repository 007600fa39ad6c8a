/** One row of the list of compositions. */

import { idOf } from "../../api/arn";
import type { Item } from "../../api/compositions";
import { hrefOf } from "../../routes";
import { describeLayout, describePlace, describeSpan, describeVideo, isOpen } from "./describe";

interface Props {
  item: Item;
  /** Its stage's name. */
  stage: string;
  /** Names of encoder configurations by ARN. */
  encoders: Map<string, string>;
  isShown: boolean;
  /** The id of the recording that is played. */
  playing: string | undefined;
  onShow: () => void;
  onPlay: (recordingId: string) => void;
  onStop: () => void;
}

export function CompositionRow({ item, stage, encoders, isShown, playing, onShow, onPlay, onStop }: Props) {
  const { summary, got, told } = item;
  const which = `of ${stage} (${idOf(summary.arn)})`;
  const tags = Object.entries(summary.tags ?? {});
  return (
    <li class="recording" data-composition={summary.arn} data-playing={isShown || undefined}>
      <div class="recording-text">
        <p class="recording-name">
          <a href={hrefOf("stages", idOf(summary.stageArn))} aria-label={`Stage ${stage}`}>
            {stage}
          </a>
          <Badge state={summary.state} />
        </p>
        <p class="recording-detail">
          {idOf(summary.arn)} · {describeSpan(item)}
        </p>
        {got && <p class="recording-detail">{describeLayout(got.layout)}</p>}
        {told?.failure && <p class="problem">{`${told.failure.code}: ${told.failure.reason}`}</p>}
        <Destinations item={item} encoders={encoders} />
        {tags.length > 0 && (
          <ul class="composed-tags" aria-label="Tags">
            {tags.map(([key, value]) => (
              <li key={key} class="tag">
                <bdi>{key}</bdi>: <bdi>{value}</bdi>
              </li>
            ))}
          </ul>
        )}
      </div>
      <div class="actions recording-actions">
        <button
          type="button"
          class="button small"
          aria-label={`Show the composition ${which}`}
          aria-pressed={isShown}
          onClick={onShow}
        >
          Show
        </button>
        {told?.destinations.map(
          ({ recordingId }) =>
            recordingId && (
              <button
                key={recordingId}
                type="button"
                class="button small"
                aria-label={`Play the recording of the composition ${which}`}
                aria-pressed={playing === recordingId}
                onClick={() => onPlay(recordingId)}
              >
                Play
              </button>
            ),
        )}
        {isOpen(item) && (
          <button
            type="button"
            class="button small"
            aria-label={`Stop the composition ${which}`}
            onClick={onStop}
          >
            Stop…
          </button>
        )}
      </div>
    </li>
  );
}

function Badge({ state }: { state: string }) {
  return (
    <span class="badge" data-state={state}>
      {state}
    </span>
  );
}

/** Where it goes, how it is encoded, and why it does not arrive. */
function Destinations({ item: { summary, got, told }, encoders }: Pick<Props, "item" | "encoders">) {
  return (
    <ul class="destinations" aria-label="Destinations">
      {summary.destinations.map(({ id, state }) => {
        const known = told?.destinations.find(one => one.id === id);
        const { name, channel, s3 } = got?.destinations.find(one => one.id === id)?.configuration ?? {};
        const encoder = channel?.encoderConfigurationArn ?? s3?.encoderConfigurationArns[0];
        const by = got
          ? encoder
            ? `encoder ${encoders.get(encoder) || idOf(encoder)}`
            : "encoder: defaults"
          : "";
        const how = [by, known ? describeVideo(known.video) : ""].filter(Boolean).join(" · ");
        return (
          <li key={id} class="destination" data-destination={id}>
            <p class="destination-name">
              {name && `${name}: `}
              {describePlace(id, known)} <Badge state={state} />
            </p>
            {known?.prefix && <p class="recording-detail">{known.prefix}</p>}
            {how && <p class="recording-detail">{how}</p>}
            {known?.failure && <p class="problem">{`${known.failure.code}: ${known.failure.reason}`}</p>}
            {known?.waits && <p class="problem">What is recorded waits: {known.waits}</p>}
          </li>
        );
      })}
    </ul>
  );
}
