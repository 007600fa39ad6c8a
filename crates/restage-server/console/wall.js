// @ts-check
/** The pictures: one tile for each participant of a stage that is being watched. */

import { fetchGrant } from "./api.js";
import { decodeToken, watch } from "./client.js";
import { StatsReader } from "./stats.js";

const CHOICE = "restage-console-watched";
/** How often picture size, rate and sound level are read. */
const STATS_MS = 200;
/** The level of ordinary speech is far below 1; this stretches it over the meter. */
const LEVEL_GAIN = 2.2;

/**
 * @typedef {import("./api.js").Participant} Participant
 * @typedef {import("./api.js").Stage} Stage
 * @typedef {{stage: Stage, participant: Participant}} Seat
 */

/**
 * @param {Stage} stage
 * @param {Participant} participant
 */
export const seatKey = (stage, participant) => `${stage.arn}|${participant.participantId}`;

/** @param {Participant} participant */
export const displayName = participant => participant.userId || participant.participantId;

/** @param {Stage} stage */
export const stageName = stage => stage.name || stage.arn.slice(stage.arn.lastIndexOf("/") + 1);

/** @param {Participant} participant */
export const roleLabel = participant =>
  participant.replicationType === "NONE" || participant.replicationState === "STOPPED"
    ? ""
    : participant.replicationType;

/** One participant, playing. */
class Tile {
  #template = /** @type {HTMLTemplateElement} */ (document.getElementById("tile-template"));
  #stats = new StatsReader();
  /** @type {import("./client.js").MediaSession | undefined} */
  #media;
  #isClosed = false;
  /** @type {HTMLElement} */
  element;

  /**
   * @param {Seat} seat
   * @param {() => void} onClose
   */
  constructor(seat, onClose) {
    this.element = /** @type {HTMLElement} */ (
      /** @type {DocumentFragment} */ (this.#template.content.cloneNode(true)).firstElementChild
    );
    this.element.dataset.participant = seat.participant.participantId;
    this.element.dataset.stage = seat.stage.arn;
    this.#part("tile-close").addEventListener("click", onClose);
    this.#part("tile-sound").addEventListener("click", () => this.#toggleSound());
    this.#open(seat);
  }

  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`.${name}`));
  }

  get #video() {
    return /** @type {HTMLVideoElement} */ (this.#part("picture"));
  }

  /** @param {Seat} seat */
  async #open(seat) {
    try {
      // A grant ends long before somebody stops looking: each new connection asks for its own.
      const grant = () => fetchGrant(seat.stage.arn, decodeToken);
      const { whepUrl } = await grant();
      if (this.#isClosed) return;
      const token = async () => (await grant()).token;
      const media = watch(`${whepUrl}/${seat.participant.participantId}`, token, this.#video);
      this.#media = media;
      media.addEventListener("statechange", () => this.#showState(media.state, media.error?.message));
    } catch (error) {
      this.#showState("failed", error instanceof Error ? error.message : `${error}`);
    }
  }

  /**
   * @param {string} state
   * @param {string} [reason]
   */
  #showState(state, reason) {
    this.element.dataset.state = state;
    this.#part("tile-state").textContent = state === "failed" && reason ? reason : state;
  }

  #toggleSound() {
    this.#video.muted = !this.#video.muted;
    const button = this.#part("tile-sound");
    button.setAttribute("aria-pressed", `${!this.#video.muted}`);
    button.textContent = this.#video.muted ? "Sound off" : "Sound on";
  }

  /**
   * Brings the caption up to date: roles change while somebody plays.
   * @param {Seat} seat
   * @param {Stage | undefined} sourceStage
   */
  describe(seat, sourceStage) {
    const { stage, participant } = seat;
    const role = roleLabel(participant);
    this.element.dataset.role = role;
    this.#part("tile-name").textContent = displayName(participant);
    const badge = this.#part("badge");
    badge.textContent = role;
    badge.dataset.role = role;
    const where = document.createElement("strong");
    where.textContent = stageName(stage);
    const from =
      role === "REPLICA" ? `, replicated from ${sourceStage ? stageName(sourceStage) : "another stage"}` : "";
    this.#part("tile-where").replaceChildren("in ", where, from);
    this.#video.setAttribute("aria-label", `${displayName(participant)} in ${stageName(stage)}`);
  }

  async refreshStats() {
    const connection = this.#media?.connection;
    if (connection?.connectionState !== "connected") return;
    const stats = await this.#stats.read(connection);
    const meter = /** @type {HTMLMeterElement} */ (this.#part("meter"));
    meter.value = Math.min(1, stats.audioLevel * LEVEL_GAIN);
    this.#part("tile-stats").textContent = describeStats(stats);
  }

  close() {
    this.#isClosed = true;
    this.#media?.close();
    this.element.remove();
  }
}

/** @param {import("./stats.js").MediaStats} stats */
function describeStats(stats) {
  if (stats.width === 0) return "waiting for the first picture";
  const parts = [`${stats.width} × ${stats.height}`, `${Math.round(stats.framesPerSecond)} fps`];
  // The first reading has no rate yet.
  if (stats.bitsPerSecond > 0) parts.push(formatRate(stats.bitsPerSecond));
  return [...parts, stats.videoCodec].join(" · ");
}

/** @param {number} bitsPerSecond */
function formatRate(bitsPerSecond) {
  return bitsPerSecond >= 1_000_000
    ? `${(bitsPerSecond / 1_000_000).toFixed(1)} Mb/s`
    : `${Math.round(bitsPerSecond / 1000)} kb/s`;
}

/** All the tiles. What is watched is remembered for the tab. */
export class Wall {
  #root = /** @type {HTMLElement} */ (document.getElementById("tiles"));
  #empty = /** @type {HTMLElement} */ (document.getElementById("wall-empty"));
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {Set<string>} */
  #wanted;
  #hasChosen;

  constructor() {
    const saved = sessionStorage.getItem(CHOICE);
    this.#hasChosen = saved !== null;
    this.#wanted = new Set(saved ? JSON.parse(saved) : []);
    setInterval(() => {
      for (const tile of this.#tiles.values()) tile.refreshStats();
    }, STATS_MS);
  }

  /** @param {string} key */
  isWatching(key) {
    return this.#wanted.has(key);
  }

  /**
   * @param {string[]} keys
   * @param {boolean} isWanted
   */
  choose(keys, isWanted) {
    for (const key of keys) {
      if (isWanted) this.#wanted.add(key);
      else this.#wanted.delete(key);
    }
    this.#hasChosen = true;
    sessionStorage.setItem(CHOICE, JSON.stringify([...this.#wanted]));
  }

  /**
   * Makes the tiles what the stages and the choice say. Somebody chosen who is not publishing has no tile
   * until they return.
   * @param {Stage[]} stages
   */
  update(stages) {
    const seats = publishingSeats(stages);
    // People would rather look than choose: the first source with its replica plays by itself.
    if (!this.#hasChosen) this.#wanted = new Set(firstPair(seats));
    for (const [key, tile] of this.#tiles) {
      if (seats.has(key) && this.#wanted.has(key)) continue;
      tile.close();
      this.#tiles.delete(key);
    }
    for (const [key, seat] of seats) {
      if (!this.#wanted.has(key)) continue;
      const tile = this.#tiles.get(key) ?? this.#add(key, seat);
      tile.describe(
        seat,
        stages.find(stage => stage.arn === seat.participant.sourceStageArn),
      );
    }
    this.#empty.hidden = this.#tiles.size > 0;
  }

  /**
   * @param {string} key
   * @param {Seat} seat
   */
  #add(key, seat) {
    const tile = new Tile(seat, () => {
      this.choose([key], false);
      tile.close();
      this.#tiles.delete(key);
      this.#empty.hidden = this.#tiles.size > 0;
      document.dispatchEvent(new Event("wallchange"));
    });
    this.#tiles.set(key, tile);
    this.#root.append(tile.element);
    return tile;
  }
}

/**
 * Everybody who publishes, sources before their replicas.
 * @param {Stage[]} stages
 * @returns {Map<string, Seat>}
 */
function publishingSeats(stages) {
  const seats = stages.flatMap(stage =>
    stage.participants
      .filter(participant => participant.publishing)
      .map(participant => ({ stage, participant })),
  );
  const rank = (/** @type {Seat} */ seat) => (seat.participant.replicationType === "REPLICA" ? 1 : 0);
  seats.sort((a, b) => rank(a) - rank(b));
  return new Map(seats.map(seat => [seatKey(seat.stage, seat.participant), seat]));
}

/**
 * @param {Map<string, Seat>} seats
 * @returns {string[]}
 */
function firstPair(seats) {
  const entries = [...seats];
  const replica = entries.find(([, { participant }]) => participant.replicationType === "REPLICA");
  if (!replica) return entries.slice(0, 1).map(([key]) => key);
  const source = entries.find(
    ([, { stage, participant }]) =>
      stage.arn === replica[1].participant.sourceStageArn &&
      participant.participantId === replica[1].participant.participantId,
  );
  return source ? [source[0], replica[0]] : [replica[0]];
}
