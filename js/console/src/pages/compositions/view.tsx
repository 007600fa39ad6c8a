/** The composition that is looked at: its picture, drawn as boxes where its tiles are, who is in it, and how it does. */

import { idOf } from "../../api/arn";
import type { Encoding, Item, Live, Tile } from "../../api/compositions";
import { StateBadge, type Tone } from "../../components/feedback";
import { describeTile, describeVideo, nameOf } from "./describe";
import { ago, type Judgement, judge, loadOf } from "./verdict";

/** The words for verdicts, so that they are not told by colour alone. */
const WORDS = { ok: "fine", off: "wait", warn: "warning", fail: "failed" };
const TONES: Record<Judgement["verdict"], Tone> = { ok: "good", off: "quiet", warn: "busy", fail: "bad" };
/** The word for those of which there is nothing to judge. */
const ENDED = "ended";

/** @param stage Its stage's name. */
export function CompositionView({ item, stage }: { item: Item; stage: string }) {
  const { summary, told } = item;
  const { verdict, sentence } = judge(item);
  const word = summary.state === "STOPPED" ? ENDED : WORDS[verdict];
  const live = told?.live ?? undefined;
  return (
    <article class="composed" id="composed" aria-labelledby="composed-name">
      {live?.encodings.map((encoding, at) => (
        <Picture key={at} encoding={encoding} />
      ))}
      <div class="composed-caption">
        <div class="actions">
          <h2 id="composed-name">{stage}</h2>
          <span class="badge" id="composed-state" data-state={summary.state}>
            {summary.state}
          </span>
        </div>
        <p class="hint">Composition {idOf(summary.arn)}</p>
        <p class="composed-verdict">
          <span id="composed-word" role="status">
            <StateBadge tone={TONES[verdict]}>{word}</StateBadge>
          </span>
          <span id="composed-sentence">{sentence}</span>
        </p>
        {live && (
          <dl class="composed-facts" id="composed-facts">
            {factsOf(live).map(([what, how]) => (
              <div key={what}>
                <dt>{what}</dt>
                <dd>{how}</dd>
              </div>
            ))}
          </dl>
        )}
      </div>
    </article>
  );
}

function Picture({ encoding }: { encoding: Encoding }) {
  const { width, height, tiles } = encoding;
  // From above to below, from left to right.
  const inOrder = [...tiles].sort((a, b) => a.z - b.z || a.y - b.y || a.x - b.x);
  return (
    <figure class="composed-figure">
      {/* What is in it is in the list below it. */}
      <div
        class="composed-canvas"
        role="img"
        aria-label={`The picture, ${width} by ${height}: ${tiles.length} tiles`}
        style={{ aspectRatio: `${width} / ${height}` }}
      >
        {tiles.map(tile => (
          <Box key={tile.participantId} tile={tile} encoding={encoding} />
        ))}
      </div>
      <figcaption class="hint">{describeVideo(encoding)}</figcaption>
      {tiles.length === 0 ? (
        <p class="hint">Nobody is in the picture yet.</p>
      ) : (
        <ul class="composed-people" aria-label="Who is in the picture">
          {inOrder.map(tile => (
            <Person key={tile.participantId} tile={tile} />
          ))}
        </ul>
      )}
    </figure>
  );
}

const percent = (part: number, whole: number) => `${(100 * part) / whole}%`;

function Box({ tile, encoding: { width, height } }: { tile: Tile; encoding: Encoding }) {
  const { sourceWidth, sourceHeight, reason, shows } = tile;
  const size = sourceWidth && sourceHeight ? `${sourceWidth}×${sourceHeight}` : "";
  return (
    <div
      class="composed-tile"
      data-participant={tile.participantId}
      data-shows={shows}
      data-reason={reason?.code}
      title={`${nameOf(tile)}: ${describeTile(tile)}`}
      style={{
        left: percent(tile.x, width),
        top: percent(tile.y, height),
        width: percent(tile.width, width),
        height: percent(tile.height, height),
        zIndex: `${tile.z}`,
      }}
    >
      <bdi class="composed-who">{nameOf(tile)}</bdi>
      <span class="composed-what">{shows === "NAME" ? (reason?.text ?? "") : size}</span>
    </div>
  );
}

function Person({ tile }: { tile: Tile }) {
  const { x, y, width, height, z, userId, participantId, shows } = tile;
  return (
    <li data-shows={shows}>
      <span class="composed-person" title={userId ? participantId : undefined}>
        <bdi>{nameOf(tile)}</bdi>
      </span>
      <span class="composed-showing">{describeTile(tile)}</span>
      <span class="composed-place">
        {`${width}×${height} at ${x}, ${y}`}
        {z > 0 && `, in layer ${z}`}
      </span>
    </li>
  );
}

const round = (number: number) => `${Math.round(number * 10) / 10}`;
const hundredths = (share: number) => share.toFixed(2);

function factsOf({ encodings, health, composingMs }: Live): [string, string][] {
  const { recent, lastRestart, restarts } = health;
  const facts: [string, string][] = encodings.map(({ framerate, picturesPerSecond }, at) => [
    encodings.length > 1 ? `Pictures a second, ${at + 1}` : "Pictures a second",
    picturesPerSecond === null ? "…" : `${round(picturesPerSecond)} of ${round(framerate)}`,
  ]);
  if (recent) {
    const lately = `in ${Math.round(recent.lastedMs / 1000)} s`;
    const { decode, compose, encode, mix } = recent.load;
    facts.push(
      ["Late", `${recent.lateTicks} ${lately}, ${health.lateTicks} in all`],
      ["Left out", `${recent.skippedPictures} ${lately}, ${health.skippedPictures} in all`],
      ["Decoded a second", round(recent.decodedPerSecond)],
      ["Undecodable", `${recent.undecodable} ${lately}, ${health.undecodable} in all`],
      [
        "Processor",
        `${hundredths(loadOf(recent))} of one: decoding ${hundredths(decode)}, drawing ${hundredths(compose)}, ` +
          `encoding ${hundredths(encode)}, sound ${hundredths(mix)}`,
      ],
    );
  }
  facts.push(["Participants", `${health.inputs}`]);
  const last = lastRestart ? `; ${ago(lastRestart.agoMs)}: ${lastRestart.reason}` : "";
  facts.push(["Restarts of the compositor", `${restarts}${last}`]);
  if (composingMs !== null) facts.push(["The compositor began", ago(composingMs)]);
  return facts;
}
