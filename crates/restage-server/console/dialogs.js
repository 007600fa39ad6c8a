// @ts-check
/** The dialogs that change something: create a stage, make a token, replicate, disconnect a participant. */

import { createStage, createToken, disconnect, idOf, regionOf, startReplication } from "./api.js";
import { copyText } from "./copy.js";
import { onSubmit } from "./forms.js";
import { byId, displayName, stageName } from "./names.js";

/**
 * @typedef {import("./api.js").Stage} Stage
 * @typedef {import("./names.js").Seat} Seat
 * @typedef {import("./directory.js").Directory} Directory
 */

/** Default validity of a token in minutes. */
const MINUTES = 720;

/** The form in which a stage is created. */
export class StageForm {
  #directory;
  #shown = "";

  /**
   * @param {Directory} directory
   * @param {() => void} onChange
   */
  constructor(directory, onChange) {
    this.#directory = directory;
    const name = /** @type {HTMLInputElement} */ (byId("new-stage-name"));
    name.addEventListener("input", () => {
      byId("new-stage-done").textContent = "";
    });
    onSubmit("new-stage", async () => {
      const stage = await createStage(byId("new-stage-region").value, name.value.trim());
      directory.add(stage);
      name.value = "";
      byId("new-stage-done").textContent = `Created ${stageName(stage)} (${idOf(stage.arn)}).`;
      onChange();
    });
  }

  /** Offers the regions that have stages. */
  update() {
    const { regions, defaultRegion } = this.#directory;
    const offered = regions.length > 0 ? regions : [defaultRegion];
    if (offered.join() === this.#shown) return;
    this.#shown = offered.join();
    const select = /** @type {HTMLSelectElement} */ (byId("new-stage-region"));
    const chosen = select.value;
    select.replaceChildren(...offered.map(region => new Option(region, region)));
    if (offered.includes(chosen)) select.value = chosen;
    byId("new-stage-where").hidden = offered.length < 2;
  }
}

/** Makes a participant token and shows it once. */
export class TokenDialog {
  #dialog = /** @type {HTMLDialogElement} */ (byId("token"));
  #field = /** @type {HTMLTextAreaElement} */ (byId("token-text"));
  /** @type {Stage | undefined} */
  #stage;
  /** Grows when something in the form is changed. */
  #revision = 0;

  /** @param {(token: string) => void} publishWith */
  constructor(publishWith) {
    onSubmit("token-form", () => this.#make());
    // A token has what the form said when it was made.
    byId("token-form").addEventListener("input", (/** @type {Event} */ event) => {
      if (event.target !== this.#field) this.#forget();
    });
    byId("token-close").addEventListener("click", () => this.#dialog.close());
    byId("token-copy").addEventListener("click", async () => {
      const isCopied = await copyText(this.#field.value);
      if (!isCopied) this.#field.select();
      byId("token-copied").textContent = isCopied ? "Copied." : "Selected: copy it with Ctrl+C.";
    });
    byId("token-use").addEventListener("click", () => {
      this.#dialog.close();
      publishWith(this.#field.value);
    });
  }

  /** @param {Stage} stage */
  open(stage) {
    this.#stage = stage;
    byId("token-title").textContent = `Token for ${stageName(stage)}`;
    byId("token-minutes").value = `${MINUTES}`;
    this.#forget();
    this.#dialog.showModal();
    byId("token-user").focus();
  }

  /** Takes away what was made, or why it was not. */
  #forget() {
    this.#revision += 1;
    byId("token-made").hidden = true;
    byId("token-form-problem").textContent = "";
    this.#field.value = "";
  }

  async #make() {
    if (!this.#stage) return;
    this.#forget();
    const revision = this.#revision;
    const capabilities = [
      ["PUBLISH", "token-publish"],
      ["SUBSCRIBE", "token-subscribe"],
    ].flatMap(([capability, id]) => (byId(id).checked ? [capability] : []));
    const userId = byId("token-user").value.trim();
    const made = await createToken(this.#stage.arn, {
      capabilities,
      duration: Number(byId("token-minutes").value),
      ...(userId ? { userId } : {}),
    });
    // It would not be what the form says now.
    if (revision !== this.#revision) return;
    this.#field.value = made.token;
    byId("token-facts").textContent =
      `Participant ${made.participantId}, until ${new Date(made.expirationTime).toLocaleString()}. ` +
      "Whoever has the token is the participant: it is shown only here." +
      (capabilities.length > 0
        ? ""
        : " It permits neither publishing nor watching: it is good for the stage's events alone.");
    byId("token-copied").textContent = "";
    byId("token-use").hidden = !capabilities.includes("PUBLISH");
    byId("token-made").hidden = false;
    byId("token-copy").focus();
  }
}

/** Shows a participant in a further stage. */
export class ReplicateDialog {
  #dialog = /** @type {HTMLDialogElement} */ (byId("replicate"));
  #directory;
  /** @type {Seat | undefined} */
  #seat;

  /**
   * @param {Directory} directory
   * @param {() => void} onChange
   */
  constructor(directory, onChange) {
    this.#directory = directory;
    onSubmit("replicate-form", async () => {
      if (!this.#seat) return;
      const { stage, participant } = this.#seat;
      const window = Number(byId("replicate-window").value);
      await startReplication(stage.arn, byId("replicate-where").value, participant.participantId, window);
      this.#dialog.close();
      onChange();
    });
    byId("replicate-close").addEventListener("click", () => this.#dialog.close());
  }

  /** @param {Seat} seat */
  open(seat) {
    this.#seat = seat;
    byId("replicate-title").textContent = `Replicate ${displayName(seat.participant)}`;
    byId("replicate-form-problem").textContent = "";
    byId("replicate-where").replaceChildren();
    this.#directory.all();
    this.#dialog.showModal();
    this.update();
  }

  /**
   * Offers the present stages in which the participant is not yet. No stage is removed while the dialog is open,
   * because another one would then be selected in its place.
   */
  update() {
    if (!this.#seat || !this.#dialog.open) return;
    const { stage: source, participant } = this.#seat;
    const region = regionOf(source.arn);
    const isThere = (/** @type {Stage} */ stage) =>
      stage.participants.some(other => other.participantId === participant.participantId && other.publishing);
    const select = /** @type {HTMLSelectElement} */ (byId("replicate-where"));
    const offered = new Set([...select.options].map(option => option.value));
    for (const stage of this.#directory.stages) {
      if (stage.arn === source.arn || regionOf(stage.arn) !== region) continue;
      if (offered.has(stage.arn) || isThere(stage)) continue;
      select.add(new Option(`${stageName(stage)} (${idOf(stage.arn)})`, stage.arn));
    }
    const hasAny = select.options.length > 0;
    byId("replicate-none").hidden = hasAny;
    byId("replicate-start").hidden = !hasAny;
  }
}

/**
 * What it means to be disconnected, as the end of a sentence, and how the participant comes back.
 * @param {import("./api.js").Participant} participant
 */
function farewell({ ingest }) {
  if (!ingest) return " and its token stops working. To come back it needs a new one.";
  const back = "from then on the same encoder can publish again, with the same stream key.";
  const detached = `loses the stage. UpdateIngestConfiguration gives it one again; ${back}`;
  if (ingest === "ONLY") return `, and the ingest configuration by which it publishes ${detached}`;
  return (
    ". With it go the others of its redundant ingest: both encoders are disconnected, and their ingest configuration " +
    detached
  );
}

/** Asks for confirmation before a participant is disconnected, because it cannot come back by itself. */
export class DisconnectDialog {
  #dialog = /** @type {HTMLDialogElement} */ (byId("disconnect"));
  /** @type {Seat | undefined} */
  #seat;

  constructor() {
    onSubmit("disconnect-form", async () => {
      if (!this.#seat) return;
      await disconnect(this.#seat.stage.arn, this.#seat.participant.participantId);
      this.#dialog.close();
    });
    byId("disconnect-close").addEventListener("click", () => this.#dialog.close());
  }

  /** @param {Seat} seat */
  open(seat) {
    this.#seat = seat;
    byId("disconnect-title").textContent = `Disconnect ${displayName(seat.participant)}?`;
    byId("disconnect-where").textContent = stageName(seat.stage);
    byId("disconnect-what").textContent = farewell(seat.participant);
    byId("disconnect-form-problem").textContent = "";
    this.#dialog.showModal();
    byId("disconnect-close").focus();
  }
}
