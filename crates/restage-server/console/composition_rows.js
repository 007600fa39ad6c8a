// @ts-check
/** One row of the list of compositions, with its buttons. */

import { idOf } from "./api.js";
import { make, makeButton } from "./names.js";

/**
 * @typedef {import("./composition_api.js").Item} Item
 * @typedef {import("./composition_api.js").Settings} Settings
 * @typedef {import("./composition_api.js").Video} Video
 *
 * @typedef {object} Deeds The actions of a row's buttons.
 * @property {(arn: string) => void} show
 * @property {(item: Item, recordingId: string) => void} play
 * @property {(item: Item) => void} stop
 */

const KILO = 1000;
const MEGA = 1_000_000;
/** The shapes of pictures in a grid, in words. @type {Record<string, string>} */
const SHAPES = { AUTO: "shapes as they are sent", VIDEO: "16:9", SQUARE: "square", PORTRAIT: "3:4" };

/** @param {Item} item */
export const isOpen = ({ summary: { state } }) => state === "STARTING" || state === "ACTIVE";

/** @param {number} bits */
const rate = bits =>
  bits >= MEGA ? `${Math.round(bits / (MEGA / 10)) / 10} Mbit/s` : `${Math.round(bits / KILO)} kbit/s`;

/** Size, pictures a second and bit rate. @param {Video} video */
export function describeVideo({ width, height, framerate, bitrate }) {
  const parts = [];
  if (width && height) parts.push(`${width}×${height}`);
  if (framerate) parts.push(`${Math.round(framerate * 100) / 100} pictures a second`);
  if (bitrate) parts.push(rate(bitrate));
  return parts.join(" · ");
}

/**
 * The layout in words.
 * @param {{grid?: Settings, pip?: Settings}} layout
 */
export function describeLayout({ grid, pip }) {
  const settings = pip ?? grid ?? {};
  const shape = SHAPES[`${settings.videoAspectRatio}`] ?? word(settings.videoAspectRatio);
  const parts = [pip ? `PiP, ${word(settings.pipPosition)}` : `grid, ${shape}`];
  if (settings.videoFillMode) parts.push(`fill mode ${word(settings.videoFillMode)}`);
  parts.push(`gap ${settings.gridGap}`);
  if (settings.featuredParticipantAttribute)
    parts.push(`featured by ${settings.featuredParticipantAttribute}`);
  if (settings.pipParticipantAttribute) parts.push(`over the others by ${settings.pipParticipantAttribute}`);
  if (settings.participantOrderAttribute) parts.push(`in order of ${settings.participantOrderAttribute}`);
  if (settings.omitStoppedVideo) parts.push("without those who stopped their video");
  return parts.join(" · ");
}

/** @param {unknown} value */
const word = value => `${value ?? ""}`.toLowerCase().replace("_", " ");

/** @param {string} state */
function badge(state) {
  const made = make("span", "badge", state);
  made.dataset.state = state;
  return made;
}

/** @param {Item} item */
function since({ summary: { startTime, endTime } }) {
  const from = `since ${new Date(startTime).toLocaleString()}`;
  return endTime ? `${from}, until ${new Date(endTime).toLocaleString()}` : from;
}

/**
 * Where it goes, how it is encoded, and why it does not arrive.
 * @param {Item} item
 */
function destinations({ summary, got, told }) {
  return summary.destinations.map(({ id, state }) => {
    const known = told?.destinations.find(one => one.id === id);
    const { name, channel, s3 } = got?.destinations.find(one => one.id === id)?.configuration ?? {};
    const where = known?.channelArn
      ? `channel ${idOf(known.channelArn)}`
      : known?.bucket
        ? `bucket ${known.bucket}`
        : id;
    const label = name ? `${name}: ${where}` : where;
    const made = make("li", "destination", make("p", "destination-name", label, badge(state)));
    made.dataset.destination = id;
    if (known?.prefix) made.append(make("p", "recording-detail", known.prefix));
    const encoder = channel?.encoderConfigurationArn ?? s3?.encoderConfigurationArns[0];
    const by = got ? (encoder ? `encoder ${idOf(encoder)}` : "encoder: defaults") : "";
    const how = [by, known ? describeVideo(known.video) : ""].filter(Boolean).join(" · ");
    if (how) made.append(make("p", "recording-detail", how));
    if (known?.failure) made.append(make("p", "problem", `${known.failure.code}: ${known.failure.reason}`));
    if (known?.waits) made.append(make("p", "problem", `What is recorded waits: ${known.waits}`));
    return made;
  });
}

/**
 * @param {Item} item
 * @param {string} stage Its stage's name.
 * @param {{isShown: boolean, playing: string | undefined}} present
 * @param {Deeds} deeds
 */
export function makeRow(item, stage, present, deeds) {
  const { summary, got, told } = item;
  const link = /** @type {HTMLAnchorElement} */ (make("a", "", stage));
  link.href = `./?find=${encodeURIComponent(idOf(summary.stageArn))}`;
  link.dataset.focus = `stage ${summary.arn}`;
  link.setAttribute("aria-label", `Stage ${stage}`);
  const tags = Object.entries(summary.tags).map(([key, value]) => make("li", "tag", `${key}: ${value}`));
  const text = make(
    "div",
    "recording-text",
    make("p", "recording-name", link, badge(summary.state)),
    make("p", "recording-detail", `${idOf(summary.arn)} · ${since(item)}`),
  );
  if (got) text.append(make("p", "recording-detail", describeLayout(got.layout)));
  if (told?.failure) text.append(make("p", "problem", `${told.failure.code}: ${told.failure.reason}`));
  text.append(make("ul", "destinations", ...destinations(item)));
  if (tags.length > 0) {
    const list = make("ul", "tags", ...tags);
    list.setAttribute("aria-label", "Tags");
    text.append(list);
  }
  const row = make(
    "li",
    "recording",
    text,
    make("div", "recording-actions", ...buttons(item, stage, present, deeds)),
  );
  row.dataset.composition = summary.arn;
  if (present.isShown) row.dataset.playing = "";
  return row;
}

/**
 * @param {Item} item
 * @param {string} stage
 * @param {{isShown: boolean, playing: string | undefined}} present
 * @param {Deeds} deeds
 */
function buttons(item, stage, { isShown, playing }, deeds) {
  const { arn } = item.summary;
  const which = `of ${stage} (${idOf(arn)})`;
  const show = makeButton(`show ${arn}`, isShown ? "Shown" : "Show", `Show the composition ${which}`, () =>
    deeds.show(arn),
  );
  show.setAttribute("aria-pressed", `${isShown}`);
  const made = [show];
  for (const { recordingId } of item.told?.destinations ?? []) {
    if (!recordingId) continue;
    const isPlaying = playing === recordingId;
    const label = isPlaying ? "Playing" : "Play";
    const play = makeButton(
      `play ${recordingId}`,
      label,
      `Play the recording of the composition ${which}`,
      () => deeds.play(item, recordingId),
    );
    play.setAttribute("aria-pressed", `${isPlaying}`);
    made.push(play);
  }
  if (isOpen(item)) {
    made.push(makeButton(`stop ${arn}`, "Stop…", `Stop the composition ${which}`, () => deeds.stop(item)));
  }
  return made;
}
