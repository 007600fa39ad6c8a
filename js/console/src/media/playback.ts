/** Plays one recording, with hls.js or, where there are no Media Source Extensions, by the browser itself. */

import { computed, signal } from "@preact/signals";
import type Hls from "../../vendor/hls.js/hls.light.min.mjs";
import type { Fault } from "../../vendor/hls.js/hls.light.min.mjs";

import { fetchRecordingLink } from "../api/recordings";
import { describeError } from "../text/explain";

const HLS_TYPE = "application/vnd.apple.mpegurl";
/** How often a link that has ended is replaced, if nothing is played in between. */
const RENEWALS_MAX = 3;

/** What can be played: a recording of a participant, or of a composition. */
export interface Playable {
  recordingId: string;
  stageArn: string;
  /** Whose it is. */
  name: string;
  /** Its stage, and what else tells it from others. */
  where: string;
  /** Whether it is still being recorded. */
  isOpen: boolean;
}

export class Playback {
  /** What was chosen last, until it is closed. */
  readonly chosen = signal<Playable | undefined>(undefined);
  /** Why it cannot be played; empty if it can. */
  readonly problem = signal("");
  /** Grows with each choice, so that the same one can be tried again. */
  readonly turn = signal(0);
  readonly #hasFailed = signal(false);
  /** The id of the recording that is played, if it can be. */
  readonly playing = computed(() => (this.#hasFailed.value ? undefined : this.chosen.value?.recordingId));

  #video: HTMLVideoElement | undefined;
  #hls: Hls | undefined;
  #renewals = 0;

  /** Chooses what is played. The component that shows it calls {@link start}. */
  play(playable: Playable): void {
    this.#stop();
    this.chosen.value = playable;
    this.turn.value += 1;
  }

  /** Plays nothing. */
  close(): void {
    this.#stop();
    this.chosen.value = undefined;
  }

  /** Begins to play what is chosen. */
  async start(video: HTMLVideoElement): Promise<void> {
    this.#stop();
    this.#video = video;
    this.#renewals = 0;
    await this.#load(0);
  }

  /** Something of it has been played: links may be replaced again. */
  goesOn(): void {
    this.#renewals = 0;
  }

  /** The browser's own player has failed. */
  failed(): void {
    if (this.#hls || !this.chosen.value) return;
    this.#fail(this.#video?.error?.message || "the browser cannot play it");
  }

  #stop(): void {
    this.#hls?.destroy();
    this.#hls = undefined;
    this.#video?.removeAttribute("src");
    this.#video?.load();
    this.#video = undefined;
    this.#hasFailed.value = false;
    this.problem.value = "";
  }

  /** @param atS Where to begin, in seconds. */
  async #load(atS: number): Promise<void> {
    const [playable, video] = [this.chosen.value, this.#video];
    if (!playable || !video) return;
    const isLeft = () => this.chosen.value !== playable || this.#video !== video;
    try {
      const { playlist } = await fetchRecordingLink(playable, true);
      // It is fetched when the first recording is played.
      const { default: Player } = await import("../../vendor/hls.js/hls.light.min.mjs");
      // Another one was chosen meanwhile.
      if (isLeft()) return;
      if (!playlist) throw new Error("nothing of it can be played");
      if (Player.isSupported()) this.#attach(Player, video, playlist, atS);
      else if (video.canPlayType(HLS_TYPE)) video.src = playlist;
      else throw new Error("this browser can play no HLS");
      await video.play();
    } catch (error) {
      // The person presses play, if the browser does not let the page.
      const isNoFault = error instanceof DOMException && error.name !== "NotSupportedError";
      if (!isLeft() && !isNoFault) this.#fail(error);
    }
  }

  #attach(Player: typeof Hls, video: HTMLVideoElement, playlist: string, atS: number): void {
    this.#hls?.destroy();
    // Its worker would be a script of no origin, which the page's policy forbids; MP4 is passed on without one.
    const hls = new Player({ enableWorker: false, startPosition: atS });
    this.#hls = hls;
    hls.on(Player.Events.ERROR, (_, fault) => this.#onFault(Player, fault));
    hls.loadSource(playlist);
    hls.attachMedia(video);
  }

  #onFault(Player: typeof Hls, fault: Fault): void {
    if (!fault.fatal) return;
    const status = fault.response?.code;
    if (status === 403 && this.#renewals < RENEWALS_MAX) {
      this.#renewals += 1;
      void this.#load(this.#video?.currentTime ?? 0);
      return;
    }
    if (fault.type === Player.ErrorTypes.MEDIA_ERROR && this.#renewals < RENEWALS_MAX) {
      this.#renewals += 1;
      this.#hls?.recoverMediaError();
      return;
    }
    const isEmpty = status === 404 && this.chosen.value?.isOpen;
    this.#fail(isEmpty ? "nothing is recorded yet; try again in some seconds" : reason(fault));
  }

  /** It is not played any more, until somebody presses play again. */
  #fail(error: unknown): void {
    this.#hasFailed.value = true;
    this.problem.value = describeError(error);
  }
}

function reason(fault: Fault): string {
  const status = fault.response?.code;
  if (status) return `the server answered ${status} for a part of the recording`;
  return fault.error?.message || fault.reason || `it cannot be played: ${fault.details}`;
}
