/** Messages that wait to be put into pictures. Pure: the time comes as an argument. */

/** A message that no picture has taken within this time is forgotten, as for a layer that is not sent. */
const WAIT_MAX_MS = 2000;
/** Most messages that wait. */
const WAITING_MAX = 64;

interface Waiting {
  unit: Uint8Array;
  count: number;
  until: number;
  /** How many pictures of each layer have it. */
  taken: Map<number, number>;
}

/** Each message goes into the next pictures of every layer. */
export class SeiQueue {
  #waiting: Waiting[] = [];

  /**
   * @param unit The NAL unit.
   * @param count How many pictures of each layer carry it.
   * @param now In milliseconds.
   */
  add(unit: Uint8Array, count: number, now: number) {
    this.#waiting.push({ unit, count, until: now + WAIT_MAX_MS, taken: new Map() });
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
  }

  /** The units for the next picture of a layer. */
  take(layer: number, now: number): Uint8Array[] {
    this.#waiting = this.#waiting.filter(one => one.until > now);
    const units = [];
    for (const one of this.#waiting) {
      const taken = one.taken.get(layer) ?? 0;
      if (taken >= one.count) continue;
      one.taken.set(layer, taken + 1);
      units.push(one.unit);
    }
    return units;
  }
}
