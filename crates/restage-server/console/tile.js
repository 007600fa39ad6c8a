// @ts-check
/** One tile of the wall: a participant's video, or the reason why there is none. */

import { fetchGrant, ServerAway } from "./api.js";
import { decodeToken, StageError, watch } from "./client.js";
import { eventsFor, release } from "./events.js";
import { describeError, describeLack, describeSession } from "./explain.js";
import { displayName, roleLabel, stageName } from "./names.js";
import { StatsReader } from "./stats.js";

/** Ordinary speech has a level far below 1; this stretches it over the meter. */
const LEVEL_GAIN = 2.2;

/**
 * @typedef {import("./api.js").Stage} Stage
 * @typedef {import("./names.js").Seat} Seat
 */

/** Plays one participant. */
export class Tile {
  #template = /** @type {HTMLTemplateElement} */ (document.getElementById("tile-template"));
  #stats = new StatsReader();
  /** @type {import("./client.js").MediaSession | undefined} */
  #media;
  #isClosed = false;
  #liveSinceMs = 0;
  #seat;
  /** @type {HTMLElement} */
  element;

  /**
   * @param {Seat} seat
   * @param {() => void} onClose
   */
  constructor(seat, onClose) {
    this.#seat = seat;
    this.element = /** @type {HTMLElement} */ (
      /** @type {DocumentFragment} */ (this.#template.content.cloneNode(true)).firstElementChild
    );
    this.element.dataset.participant = seat.participant.participantId;
    this.element.dataset.stage = seat.stage.arn;
    this.#part("tile-close").addEventListener("click", onClose);
    this.#part("tile-sound").addEventListener("click", () => this.#toggleSound());
    this.#part("tile-retry").addEventListener("click", () => this.#retry());
    this.#open();
  }

  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`.${name}`));
  }

  get #video() {
    return /** @type {HTMLVideoElement} */ (this.#part("picture"));
  }

  async #open() {
    const { stage, participant } = this.#seat;
    // Every new connection fetches a grant, because people watch for longer than a grant is valid.
    const grant = () => fetchGrant(stage.arn, decodeToken);
    try {
      const { whepUrl, eventsUrl } = await grant();
      if (this.#isClosed) return;
      const token = async () => (await grant().catch(passing)).token;
      const events = (/** @type {string} */ token) => eventsFor(this, token, eventsUrl);
      const media = watch(`${whepUrl}/${participant.participantId}`, token, this.#video, { events });
      this.#media = media;
      for (const event of ["statechange", "error", "warning"]) {
        media.addEventListener(event, () => this.#showSession(media));
      }
    } catch (error) {
      this.#show("failed", "failed", describeError(error));
    }
  }

  #retry() {
    this.#show("connecting", "connecting", "");
    if (this.#media) this.#media.retry();
    else this.#open();
    this.#part("tile-close").focus();
  }

  /** @param {import("./client.js").MediaSession} media */
  #showSession(media) {
    if (media.state === "live" && this.element.dataset.state !== "live")
      this.#liveSinceMs = performance.now();
    const { label, problem } = describeSession(media);
    this.#show(media.state, label, problem);
    if (media.state !== "live") this.#showStats("", 0);
  }

  /**
   * @param {string} state
   * @param {string} label
   * @param {string} problem
   */
  #show(state, label, problem) {
    this.element.dataset.state = state;
    setText(this.#part("tile-state"), label);
    this.#part("tile-retry").hidden = state !== "failed";
    this.#showProblem(problem);
  }

  /** @param {string} problem */
  #showProblem(problem) {
    setText(this.#part("tile-problem-text"), problem);
    this.#part("tile-problem").hidden = problem === "";
  }

  #toggleSound() {
    this.#video.muted = !this.#video.muted;
    const button = this.#part("tile-sound");
    button.setAttribute("aria-pressed", `${!this.#video.muted}`);
    button.textContent = this.#video.muted ? "Sound off" : "Sound on";
  }

  /**
   * Updates the caption, because roles can change while the tile plays.
   * @param {Seat} seat
   * @param {Stage | undefined} sourceStage
   */
  describe(seat, sourceStage) {
    const { stage, participant } = seat;
    const role = roleLabel(participant);
    this.element.dataset.role = role;
    setText(this.#part("tile-name"), displayName(participant));
    const badge = this.#part("badge");
    setText(badge, role);
    badge.dataset.role = role;
    const where = document.createElement("strong");
    where.textContent = stageName(stage);
    const from =
      role === "REPLICA" ? `, replicated from ${sourceStage ? stageName(sourceStage) : "another stage"}` : "";
    const common = participant.ingest === "COMMON" ? ", what viewers see of both encoders" : "";
    this.#part("tile-where").replaceChildren("in ", where, from, common);
    this.#video.setAttribute("aria-label", `${displayName(participant)} in ${stageName(stage)}`);
  }

  async refreshStats() {
    const media = this.#media;
    if (media?.state !== "live" || media.connection?.connectionState !== "connected") return;
    const stats = await this.#stats.read(media.connection);
    if (media.state !== "live") return;
    const lack = describeLack(media, stats, performance.now() - this.#liveSinceMs);
    this.#showProblem(lack);
    this.#showStats(lack ? "no picture" : describeStats(stats), stats.audioLevel);
  }

  /**
   * @param {string} text
   * @param {number} level
   */
  #showStats(text, level) {
    const meter = /** @type {HTMLMeterElement} */ (this.#part("meter"));
    meter.value = Math.min(1, level * LEVEL_GAIN);
    setText(this.#part("tile-stats"), text);
  }

  close() {
    this.#isClosed = true;
    this.#media?.close();
    release(this);
    this.element.remove();
  }
}

/**
 * Marks a failed request as temporary, because a server that is down now may be asked again.
 * @param {unknown} error
 * @returns {never}
 */
function passing(error) {
  throw error instanceof ServerAway ? new StageError(error.message, { code: "TIMEOUT" }) : error;
}

/**
 * Sets a text only if it differs, because screen readers read every set text aloud.
 * @param {HTMLElement} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {import("./stats.js").MediaStats} stats */
function describeStats(stats) {
  if (stats.width === 0) return "waiting for the first picture";
  const parts = [`${stats.width} × ${stats.height}`, `${Math.round(stats.framesPerSecond)} fps`];
  // The first measurement has no rate.
  if (stats.bitsPerSecond > 0) parts.push(formatRate(stats.bitsPerSecond));
  return [...parts, stats.videoCodec].join(" · ");
}

/** @param {number} bitsPerSecond */
function formatRate(bitsPerSecond) {
  return bitsPerSecond >= 1_000_000
    ? `${(bitsPerSecond / 1_000_000).toFixed(1)} Mb/s`
    : `${Math.round(bitsPerSecond / 1000)} kb/s`;
}
