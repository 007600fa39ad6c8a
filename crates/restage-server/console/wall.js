// @ts-check
/** The wall: one tile for each watched participant of a stage. */

import { byId, isShown, seatKey } from "./names.js";
import { Tile } from "./tile.js";

const CHOICE = "restage-console-watched";
/** Interval at which picture size, rate and sound level are read. */
const STATS_MS = 200;

/**
 * @typedef {import("./api.js").Stage} Stage
 * @typedef {import("./names.js").Seat} Seat
 */

/** All tiles. The choice of what is watched is kept for the tab. */
export class Wall {
  #root = /** @type {HTMLElement} */ (byId("tiles"));
  #empty = /** @type {HTMLElement} */ (byId("wall-empty"));
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
   * Updates the tiles to the stages and the choice. A chosen participant that is not publishing has no tile until
   * it publishes again.
   * @param {Stage[]} stages
   */
  update(stages) {
    const seats = publishingSeats(stages);
    // Until something is chosen, the first source and its replica play by themselves.
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
 * All participants that viewers see, sources before their replicas.
 * @param {Stage[]} stages
 * @returns {Map<string, Seat>}
 */
function publishingSeats(stages) {
  const seats = stages.flatMap(stage =>
    stage.participants.filter(isShown).map(participant => ({ stage, participant })),
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
