// @ts-check
/** The dialogs that start a composition and stop one. */

import { idOf, regionOf } from "./api.js";
import { listEncoders, listStorages, startComposition, stopComposition } from "./composition_api.js";
import { describeError } from "./explain.js";
import { clearFields, Misfit, onSubmit } from "./forms.js";
import { byId, stageName } from "./names.js";

/**
 * @typedef {import("./composition_api.js").Item} Item
 * @typedef {import("./directory.js").Directory} Directory
 */

/** The largest number of the model. */
const NUMBER_MAX = 2_147_483_647;
const ATTRIBUTE = /^[\w-]{0,128}$/;
/** Which field a member of the request comes from, for refusals that begin with the member. */
const FIELDS = /** @type {const} */ ([
  [/^stageArn\b/, "start-stage"],
  [/encoderConfigurationArns?\b/, "start-encoder"],
  [/^destinations\.\d+\.s3\b|storageConfigurationArn/, "start-storage"],
  [/^destinations\.\d+\.channel\b|channelArn/, "start-channel"],
  [/gridGap/, "start-gap"],
  [/pipOffset/, "start-offset"],
  [/pipWidth/, "start-width"],
  [/pipHeight/, "start-height"],
  [/featuredParticipantAttribute/, "start-featured"],
  [/pipParticipantAttribute/, "start-over"],
  [/participantOrderAttribute/, "start-order"],
]);

/** @param {string} id @returns {string} */
const read = id => byId(id).value.trim();

/**
 * A whole number of a field, or nothing if it is empty.
 * @param {string} id
 * @param {number} least
 */
function number(id, least) {
  const input = /** @type {HTMLInputElement} */ (byId(id));
  const text = input.value.trim();
  // What is no number is nothing to `value`.
  if (text === "" && !input.validity.badInput) return undefined;
  const value = Number(text);
  if (input.validity.badInput || !Number.isInteger(value) || value < least || value > NUMBER_MAX) {
    throw new Misfit(id, `This must be a whole number of pixels, ${least} or more.`);
  }
  return value;
}

/** @param {string} id */
function attribute(id) {
  const name = read(id);
  if (!ATTRIBUTE.test(name)) {
    throw new Misfit(
      id,
      "The name of an attribute has letters, digits, hyphens and underscores, and at most 128.",
    );
  }
  return name || undefined;
}

/** The layout that the form asks for. */
function layout() {
  const isPip = byId("start-pip").checked;
  const common = {
    featuredParticipantAttribute: attribute("start-featured"),
    participantOrderAttribute: attribute("start-order"),
    omitStoppedVideo: byId("start-omit").checked,
    gridGap: number("start-gap", 0),
    videoFillMode: read("start-fill") || undefined,
  };
  if (!isPip) return { grid: { ...common, videoAspectRatio: read("start-shape") } };
  const presenter = attribute("start-over");
  if (!presenter) {
    throw new Misfit(
      "start-over",
      "Without it nobody is over the others: name an attribute of participants.",
    );
  }
  const over = {
    pipParticipantAttribute: presenter,
    pipPosition: read("start-position"),
    pipBehavior: byId("start-dynamic").checked ? "DYNAMIC" : "STATIC",
    pipOffset: number("start-offset", 0),
    pipWidth: number("start-width", 1),
    pipHeight: number("start-height", 1),
  };
  return { pip: { ...common, ...over } };
}

/** The destinations that the form asks for. */
function destinations() {
  const [storage, channel, encoder] = ["start-storage", "start-channel", "start-encoder"].map(read);
  if (!storage && !channel) {
    throw new Misfit("start-storage", "It must go somewhere: choose a bucket, a channel, or both.");
  }
  if (storage && !encoder) {
    throw new Misfit(
      "start-encoder",
      "A recording needs an encoder configuration; the defaults are for channels. CreateEncoderConfiguration makes one.",
    );
  }
  const made = [];
  if (storage) {
    made.push({ s3: { storageConfigurationArn: storage, encoderConfigurationArns: [encoder] } });
  }
  if (channel) {
    made.push({
      channel: { channelArn: channel, ...(encoder ? { encoderConfigurationArn: encoder } : {}) },
    });
  }
  return made;
}

/** A refusal, at the field that it is about if it names one. @param {unknown} error */
function atField(error) {
  const message = describeError(error);
  const [, field] = FIELDS.find(([member]) => member.test(message)) ?? [];
  return field ? new Misfit(field, message) : error;
}

/**
 * Fills a choice, and keeps what is chosen.
 * @param {string} id
 * @param {[label: string, value: string][]} options
 */
function fill(id, options) {
  const select = /** @type {HTMLSelectElement} */ (byId(id));
  const chosen = select.value;
  select.replaceChildren(...options.map(([label, value]) => new Option(label, value)));
  if (options.some(([, value]) => value === chosen)) select.value = chosen;
}

/** Starts a composition. */
export class StartDialog {
  #dialog = /** @type {HTMLDialogElement} */ (byId("start"));
  #directory;
  #region = "";

  /**
   * @param {Directory} directory
   * @param {(arn: string) => void} onStart
   */
  constructor(directory, onStart) {
    this.#directory = directory;
    onSubmit("start-form", async () => {
      const stage = read("start-stage");
      if (!stage) throw new Misfit("start-stage", "There is no stage in this Region: create one first.");
      const wanted = { layout: layout(), destinations: destinations() };
      const started = await startComposition(stage, wanted.layout, wanted.destinations).catch(error => {
        throw atField(error);
      });
      this.#dialog.close();
      onStart(started.arn);
    });
    for (const id of ["start-grid", "start-pip"]) {
      byId(id).addEventListener("change", () => this.#showLayout());
    }
    byId("start-close").addEventListener("click", () => this.#dialog.close());
  }

  /**
   * @param {string} region
   * @param {string[]} channelArns
   */
  async open(region, channelArns) {
    this.#region = region;
    this.#directory.all();
    byId("start-form-problem").textContent = "";
    clearFields(byId("start-form"));
    byId("start-stage").replaceChildren();
    const channels = channelArns.map(arn => /** @type {[string, string]} */ ([idOf(arn), arn]));
    fill("start-channel", [["not sent on", ""], ...channels]);
    byId("start-channel-none").hidden = channels.length > 0;
    this.#showLayout();
    this.#dialog.showModal();
    this.update();
    byId("start-stage").focus();
    await this.#configurations();
  }

  async #configurations() {
    try {
      const [storages, encoders] = await Promise.all([
        listStorages(this.#region),
        listEncoders(this.#region),
      ]);
      /** @param {{arn: string, name: string}} one */
      const label = ({ arn, name }) => (name ? `${name} (${idOf(arn)})` : idOf(arn));
      fill("start-storage", [
        ["not recorded", ""],
        ...storages.map(
          one => /** @type {[string, string]} */ ([`${one.s3.bucketName}, ${label(one)}`, one.arn]),
        ),
      ]);
      fill("start-encoder", [
        ["defaults: 1280×720, 30 pictures a second, 2.5 Mbit/s", ""],
        ...encoders.map(one => /** @type {[string, string]} */ ([label(one), one.arn])),
      ]);
      byId("start-storage-none").hidden = storages.length > 0;
    } catch (error) {
      byId("start-form-problem").textContent = describeError(error);
    }
  }

  #showLayout() {
    const isPip = byId("start-pip").checked;
    byId("start-of-grid").hidden = isPip;
    byId("start-of-pip").hidden = !isPip;
  }

  /** Offers the present stages. None is removed while the dialog is open, because another one would then be selected. */
  update() {
    if (!this.#dialog.open) return;
    const select = /** @type {HTMLSelectElement} */ (byId("start-stage"));
    const offered = new Set([...select.options].map(option => option.value));
    for (const stage of this.#directory.stages) {
      if (regionOf(stage.arn) !== this.#region || offered.has(stage.arn)) continue;
      select.add(new Option(`${stageName(stage)} (${idOf(stage.arn)})`, stage.arn));
    }
  }
}

/** Asks for confirmation before a composition is stopped, because it cannot go on. */
export class StopDialog {
  #dialog = /** @type {HTMLDialogElement} */ (byId("stop"));
  #arn = "";

  /** @param {() => void} onStop */
  constructor(onStop) {
    onSubmit("stop-form", async () => {
      await stopComposition(this.#arn);
      this.#dialog.close();
      onStop();
    });
    byId("stop-close").addEventListener("click", () => this.#dialog.close());
  }

  /**
   * @param {Item} item
   * @param {string} stage Its stage's name.
   */
  open({ summary }, stage) {
    this.#arn = summary.arn;
    byId("stop-title").textContent = `Stop the composition of ${stage}?`;
    byId("stop-which").textContent = idOf(summary.arn);
    byId("stop-form-problem").textContent = "";
    this.#dialog.showModal();
    byId("stop-close").focus();
  }
}
