/** Where a recording is played. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { fetchRecordingLink } from "../api/recordings";
import type { Playback } from "../media/playback";
import { describeError } from "../text/explain";
import { copyText } from "./copy";
import { Problem } from "./feedback";
import "./playback.css";

export function PlaybackTile({ playback }: { playback: Playback }) {
  const chosen = playback.chosen.value;
  const turn = playback.turn.value;
  const video = useRef<HTMLVideoElement>(null);
  const tile = useRef<HTMLElement>(null);
  const said = useSignal("");
  useEffect(() => {
    said.value = "";
    if (turn === 0 || !video.current) return;
    tile.current?.scrollIntoView({ block: "nearest" });
    void playback.start(video.current);
  }, [turn, playback, said]);
  // Nothing goes on playing on a page that was left.
  useEffect(() => () => playback.close(), [playback]);
  if (!chosen) return null;
  const copy = async () => {
    try {
      const { shared } = await fetchRecordingLink(chosen, true);
      said.value = (await copyText(shared)) ? "Copied" : shared;
    } catch (error) {
      playback.problem.value = describeError(error);
    }
  };
  return (
    <article class="playback" id="player" ref={tile} aria-label={`Playing ${chosen.name}`}>
      {/* biome-ignore lint/a11y/useMediaCaption: a recording has no captions */}
      <video
        class="playback-picture"
        id="player-video"
        ref={video}
        controls
        playsInline
        onTimeUpdate={() => playback.goesOn()}
        onError={() => playback.failed()}
      />
      <div class="playback-caption">
        <p class="playback-name" id="player-name">
          {chosen.name}
        </p>
        <p class="hint" id="player-where">
          {chosen.where}
        </p>
        <Problem text={playback.problem.value} id="player-problem" />
        <div class="actions">
          <button type="button" class="button small" id="player-copy" onClick={copy}>
            Copy link for 15 minutes
          </button>
          <button type="button" class="button small" id="player-close" onClick={() => playback.close()}>
            Close
          </button>
          <span class="done" id="player-copied" role="status">
            {said.value}
          </span>
        </div>
      </div>
    </article>
  );
}
