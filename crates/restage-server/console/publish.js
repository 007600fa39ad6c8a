// @ts-check
/** Publishes this browser's camera and microphone into a stage, with a participant token that the user pastes. */

import { canSend, decodeToken, publish } from "./client.js";
import { describeError, describeSession, whyNoCamera } from "./explain.js";
import { byId } from "./names.js";

/** @typedef {import("./client.js").MediaSession} MediaSession */

/** The dialog. It can be closed while it publishes; then the button that opens it shows that. */
export class Publishing {
  #dialog = /** @type {HTMLDialogElement} */ (byId("publish"));
  #token = /** @type {HTMLTextAreaElement} */ (byId("publish-token"));
  #preview = /** @type {HTMLVideoElement} */ (byId("publish-preview"));
  #start = /** @type {HTMLButtonElement} */ (byId("publish-start"));
  #problem = /** @type {HTMLElement} */ (byId("publish-problem"));
  #status = /** @type {HTMLElement} */ (byId("publish-status"));
  #opener = /** @type {HTMLButtonElement} */ (byId("open-publish"));
  /** @type {MediaSession | undefined} */
  #media;
  /** @type {MediaStream | undefined} */
  #camera;
  #nameOfStage;

  /** @param {(id: string) => string} nameOfStage */
  constructor(nameOfStage) {
    this.#nameOfStage = nameOfStage;
    this.#opener.addEventListener("click", () => this.open());
    byId("publish-close").addEventListener("click", () => this.#dialog.close());
    this.#token.addEventListener("input", () => {
      this.#problem.textContent = whyNoCamera();
    });
    byId("publish-form").addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      if (this.#media) this.#stop("Stopped.");
      else this.#begin();
    });
  }

  /** @param {string} [token] The token to publish with; without it the previous one. */
  open(token) {
    if (token && !this.#media) this.#token.value = token;
    const reason = whyNoCamera();
    if (reason) this.#problem.textContent = reason;
    this.#start.disabled = reason !== "";
    this.#dialog.showModal();
  }

  async #begin() {
    this.#start.disabled = true;
    this.#problem.textContent = "";
    this.#status.textContent = "";
    try {
      await this.#publish();
    } catch (error) {
      this.#stop("");
      this.#problem.textContent = describeError(error);
    } finally {
      this.#start.disabled = false;
    }
  }

  async #publish() {
    const token = this.#token.value.trim();
    const payload = readToken(token);
    this.#status.textContent = "Waiting for camera and microphone…";
    this.#camera = await navigator.mediaDevices.getUserMedia({
      audio: true,
      video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
    });
    this.#preview.srcObject = this.#camera;
    this.#preview.play().catch(() => {});
    // Firefox has H.264 only with a plug-in.
    const videoCodec = canSend("H264") ? "H264" : undefined;
    const media = publish(payload.whip_url, token, this.#camera, { videoCodec });
    this.#media = media;
    for (const event of ["statechange", "error"]) {
      media.addEventListener(event, () => this.#show(media, payload));
    }
    this.#start.textContent = "Stop publishing";
    this.#setOn(true);
    this.#show(media, payload);
  }

  /**
   * @param {MediaSession} media
   * @param {import("./client.js").TokenPayload} payload
   */
  #show(media, payload) {
    if (media !== this.#media) return;
    const { label, problem } = describeSession(media);
    if (media.state === "failed") {
      // The token stays in its field, so that it can be corrected or used again.
      this.#stop("");
      this.#problem.textContent = problem;
      this.#token.focus();
      return;
    }
    this.#problem.textContent = problem;
    const name = payload.user_id || payload.jti;
    const stage = this.#nameOfStage(payload.topic);
    this.#status.textContent = problem ? `${name} in ${stage}: ${label}` : `${name} is ${label} in ${stage}`;
    this.#opener.textContent = media.state === "live" ? "Publishing" : `Publishing: ${label}`;
  }

  /** @param {string} status */
  #stop(status) {
    this.#media?.close();
    for (const track of this.#camera?.getTracks() ?? []) track.stop();
    this.#media = undefined;
    this.#camera = undefined;
    this.#preview.srcObject = null;
    this.#start.textContent = "Publish camera and microphone";
    this.#opener.textContent = "Publish from here";
    this.#problem.textContent = "";
    this.#status.textContent = status;
    this.#setOn(false);
  }

  /** @param {boolean} isOn */
  #setOn(isOn) {
    this.#preview.hidden = !isOn;
    byId("publish-with").hidden = isOn;
    this.#token.required = !isOn;
    this.#start.classList.toggle("danger", isOn);
    this.#opener.setAttribute("aria-pressed", `${isOn}`);
  }
}

/**
 * The claims of a token, if it allows publishing.
 * @param {string} token
 */
function readToken(token) {
  if (token === "") throw new Error("Paste a participant token.");
  /** @type {import("./client.js").TokenPayload} */
  let payload;
  try {
    payload = decodeToken(token);
  } catch {
    throw new Error(
      "This is not a participant token: it must have three parts with dots between them, and begin with eyJ",
    );
  }
  if (!payload.whip_url) throw new Error("This token names no whip_url: it is not a participant token.");
  return payload;
}
