// @ts-check
/** The composition that is looked at: its picture, drawn as boxes where its tiles are, who is in it, and how it does. */

import { idOf } from "./api.js";
import { describeVideo } from "./composition_rows.js";
import { ago, judge, loadOf } from "./composition_verdict.js";
import { byId, make } from "./names.js";

/**
 * @typedef {import("./composition_api.js").Item} Item
 * @typedef {import("./composition_api.js").Encoding} Encoding
 * @typedef {import("./composition_api.js").Tile} Tile
 * @typedef {import("./composition_api.js").Live} Live
 */

/** The words for verdicts, so that they are not told by colour alone. */
const WORDS = { ok: "fine", off: "wait", warn: "look", fail: "failed" };
/** The words for ended compositions and others of which there is nothing to judge. */
const ENDED = "ended";

/** @param {number} part @param {number} whole */
const percent = (part, whole) => `${(100 * part) / whole}%`;

/** @param {Tile} tile */
const nameOf = ({ userId, participantId }) => userId || participantId;

/** What a tile shows, in words. @param {Tile} tile */
export function describeTile({ shows, reason, sourceWidth, sourceHeight }) {
  if (shows === "NAME") return `name only: ${reason?.text ?? "no picture"}`;
  return sourceWidth && sourceHeight ? `its pictures, ${sourceWidth}×${sourceHeight}` : "its pictures";
}

/** @param {string} id @param {string} text */
function setText(id, text) {
  const element = /** @type {HTMLElement} */ (byId(id));
  if (element.textContent !== text) element.textContent = text;
}

/** Shows one composition. */
export class CompositionView {
  #panel = /** @type {HTMLElement} */ (byId("composed"));
  #pictures = /** @type {HTMLElement} */ (byId("composed-pictures"));
  #badge = /** @type {HTMLElement} */ (byId("composed-state"));
  #word = /** @type {HTMLElement} */ (byId("composed-word"));
  #facts = /** @type {HTMLElement} */ (byId("composed-facts"));
  #drawn = "";
  #listed = "";

  /**
   * @param {Item | undefined} item
   * @param {string} stage Its stage's name.
   */
  show(item, stage) {
    this.#panel.hidden = !item;
    byId("composed-empty").hidden = item !== undefined;
    if (!item) return;
    const { summary, told } = item;
    setText("composed-name", stage);
    if (this.#badge.textContent !== summary.state) this.#badge.textContent = summary.state;
    this.#badge.dataset.state = summary.state;
    setText("composed-where", `Composition ${idOf(summary.arn)}`);
    this.#judge(item);
    this.#draw(told?.live?.encodings ?? []);
    this.#list(told?.live ?? undefined);
  }

  /** @param {Item} item */
  #judge(item) {
    const { verdict, sentence } = judge(item);
    const word = item.summary.state === "STOPPED" ? ENDED : WORDS[verdict];
    if (this.#word.textContent !== word) this.#word.textContent = word;
    this.#word.dataset.verdict = verdict;
    setText("composed-sentence", sentence);
  }

  /**
   * Draws each encoding, when something in it has changed.
   * @param {Encoding[]} encodings
   */
  #draw(encodings) {
    const drawn = JSON.stringify(encodings.map(({ picturesPerSecond: _, ...rest }) => rest));
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#pictures.replaceChildren(...encodings.map(figure));
  }

  /** @param {Live | undefined} live */
  #list(live) {
    const facts = live ? factsOf(live) : [];
    const listed = JSON.stringify(facts);
    if (listed === this.#listed) return;
    this.#listed = listed;
    this.#facts.replaceChildren(
      ...facts.map(([what, how]) => make("div", "fact", make("dt", "", what), make("dd", "", how))),
    );
  }
}

/** @param {Encoding} encoding */
function figure(encoding) {
  const { width, height, tiles } = encoding;
  const canvas = make("div", "composed-canvas", ...tiles.map(tile => box(tile, encoding)));
  canvas.style.aspectRatio = `${width} / ${height}`;
  // What is in it is in the list below it.
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `The picture, ${width} by ${height}: ${tiles.length} tiles`);
  const people = make("ul", "composed-people", ...inOrder(tiles).map(person));
  people.setAttribute("aria-label", "Who is in the picture");
  const caption = make("figcaption", "tile-stats", describeVideo(encoding));
  const made = make("figure", "composed-figure", canvas, caption);
  if (tiles.length > 0) made.append(people);
  else made.append(make("p", "tile-where", "Nobody is in the picture yet."));
  return made;
}

/** From above to below, from left to right. @param {Tile[]} tiles */
const inOrder = tiles => [...tiles].sort((a, b) => a.z - b.z || a.y - b.y || a.x - b.x);

/**
 * @param {Tile} tile
 * @param {Encoding} encoding
 */
function box(tile, { width, height }) {
  const { sourceWidth, sourceHeight, reason } = tile;
  const size = sourceWidth && sourceHeight ? `${sourceWidth}×${sourceHeight}` : "";
  const made = make(
    "div",
    "composed-tile",
    make("span", "composed-who", nameOf(tile)),
    make("span", "composed-what", tile.shows === "NAME" ? (reason?.text ?? "") : size),
  );
  made.dataset.participant = tile.participantId;
  made.dataset.shows = tile.shows;
  if (reason) made.dataset.reason = reason.code;
  made.title = `${nameOf(tile)}: ${describeTile(tile)}`;
  Object.assign(made.style, {
    left: percent(tile.x, width),
    top: percent(tile.y, height),
    width: percent(tile.width, width),
    height: percent(tile.height, height),
    zIndex: `${tile.z}`,
  });
  return made;
}

/** @param {Tile} tile */
function person(tile) {
  const { x, y, width, height, z, userId, participantId } = tile;
  const where = `${width}×${height} at ${x}, ${y}${z > 0 ? `, in layer ${z}` : ""}`;
  const who = make("span", "composed-person", userId || participantId);
  if (userId) who.title = participantId;
  const made = make(
    "li",
    "",
    who,
    make("span", "composed-showing", describeTile(tile)),
    make("span", "composed-place", where),
  );
  made.dataset.shows = tile.shows;
  return made;
}

/** @param {number} number */
const round = number => (Math.round(number * 10) / 10).toString();
/** @param {number} share */
const hundredths = share => share.toFixed(2);

/** @param {Live} live @returns {[string, string][]} */
function factsOf({ encodings, health, composingMs }) {
  const { recent, lastRestart, restarts } = health;
  /** @type {[string, string][]} */
  const facts = encodings.map(({ framerate, picturesPerSecond }, at) => [
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
