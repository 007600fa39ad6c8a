// @ts-check
/** Plays one recording, with hls.js or, where there is no Media Source Extensions, by the browser itself. */

import { fetchRecordingLink } from "./api.js";
import { copyText } from "./copy.js";
import { describeError } from "./explain.js";
import { byId } from "./names.js";
import { isOpen, personOf, stageOf } from "./recording_rows.js";

/** @typedef {import("./api.js").Recording} Recording */

/** The library is fetched when the first recording is played. */
const LIBRARY = "./hls.light.min.mjs";
const HLS_TYPE = "application/vnd.apple.mpegurl";
/** How often a link that has ended is replaced, if nothing is played in between. */
const RENEWALS_MAX = 3;

/** The recording that is played. */
export class Player {
  #tile = /** @type {HTMLElement} */ (byId("player"));
  #video = /** @type {HTMLVideoElement} */ (byId("player-video"));
  #problem = /** @type {HTMLElement} */ (byId("player-problem"));
  #copied = /** @type {HTMLElement} */ (byId("player-copied"));
  /** @type {Recording | undefined} */
  #recording;
  /** @type {any} */
  #hls;
  #renewals = 0;
  #hasFailed = false;
  #onChange;

  /** @param {() => void} onChange Called when another recording, or none, is played, and when it cannot be. */
  constructor(onChange) {
    this.#onChange = onChange;
    byId("player-close").addEventListener("click", () => this.close());
    byId("player-copy").addEventListener("click", () => this.#copy());
    this.#video.addEventListener("timeupdate", () => {
      this.#renewals = 0;
    });
    this.#video.addEventListener("error", () => {
      if (!this.#hls && this.#recording)
        this.#fail(this.#video.error?.message || "the browser cannot play it");
    });
  }

  /** The id of the recording that is played, if it can be. */
  get playing() {
    return this.#hasFailed ? undefined : this.#recording?.recordingId;
  }

  /**
   * @param {Recording} recording
   * @param {Map<string, string>} stages Names by ARN.
   */
  async play(recording, stages) {
    this.#stop();
    this.#recording = recording;
    this.#renewals = 0;
    this.#tile.hidden = false;
    byId("player-empty").hidden = true;
    byId("player-name").textContent = personOf(recording);
    const stage = recording.stageName ?? stageOf(recording.stageArn, stages);
    byId("player-where").textContent = `${stage} · ${recording.recordingId}`;
    this.#onChange();
    this.#tile.scrollIntoView({ block: "nearest" });
    await this.#load(0);
  }

  /** Plays nothing. */
  close() {
    this.#stop();
    this.#recording = undefined;
    this.#tile.hidden = true;
    byId("player-empty").hidden = false;
    this.#onChange();
  }

  #stop() {
    this.#hls?.destroy();
    this.#hls = undefined;
    this.#video.removeAttribute("src");
    this.#video.load();
    this.#hasFailed = false;
    this.#problem.textContent = "";
    this.#copied.textContent = "";
  }

  /** @param {number} atS Where to begin, in seconds. */
  async #load(atS) {
    const recording = this.#recording;
    if (!recording) return;
    try {
      const { playlist } = await fetchRecordingLink(recording, true);
      const { default: Hls } = await import(LIBRARY);
      // Another one was chosen meanwhile.
      if (this.#recording !== recording) return;
      if (!playlist) throw new Error("nothing of it can be played");
      if (Hls.isSupported()) this.#attach(Hls, playlist, atS);
      else if (this.#video.canPlayType(HLS_TYPE)) this.#video.src = playlist;
      else throw new Error("this browser can play no HLS");
      await this.#video.play();
    } catch (error) {
      // The person presses play, if the browser does not let the page.
      const isLeft =
        this.#recording !== recording ||
        (error instanceof DOMException && error.name !== "NotSupportedError");
      if (!isLeft) this.#fail(error);
    }
  }

  /**
   * @param {any} Hls
   * @param {string} playlist
   * @param {number} atS
   */
  #attach(Hls, playlist, atS) {
    this.#hls?.destroy();
    // Its worker would be a script of no origin, which the page's policy forbids; MP4 is passed on without one.
    const hls = new Hls({ enableWorker: false, startPosition: atS });
    this.#hls = hls;
    hls.on(Hls.Events.ERROR, (/** @type {string} */ _, /** @type {any} */ fault) =>
      this.#onFault(Hls, fault),
    );
    hls.loadSource(playlist);
    hls.attachMedia(this.#video);
  }

  /**
   * @param {any} Hls
   * @param {any} fault
   */
  #onFault(Hls, fault) {
    if (!fault.fatal) return;
    const status = fault.response?.code;
    if (status === 403 && this.#renewals < RENEWALS_MAX) {
      this.#renewals += 1;
      void this.#load(this.#video.currentTime);
      return;
    }
    if (fault.type === Hls.ErrorTypes.MEDIA_ERROR && this.#renewals < RENEWALS_MAX) {
      this.#renewals += 1;
      this.#hls?.recoverMediaError();
      return;
    }
    const isEmpty = status === 404 && this.#recording && isOpen(this.#recording);
    this.#fail(isEmpty ? "nothing is recorded yet; try again in some seconds" : reason(fault));
  }

  /**
   * It is not played any more, until somebody presses play again.
   * @param {unknown} error
   */
  #fail(error) {
    this.#hasFailed = true;
    this.#tell(error);
    this.#onChange();
  }

  /** @param {unknown} error */
  #tell(error) {
    this.#problem.textContent = describeError(error);
  }

  async #copy() {
    if (!this.#recording) return;
    try {
      const { shared } = await fetchRecordingLink(this.#recording, true);
      this.#copied.textContent = (await copyText(shared)) ? "Copied" : shared;
    } catch (error) {
      this.#tell(error);
    }
  }
}

/** @param {any} fault */
function reason(fault) {
  const status = fault.response?.code;
  if (status) return `the server answered ${status} for a part of the recording`;
  return fault.error?.message || fault.reason || `it cannot be played: ${fault.details}`;
}
