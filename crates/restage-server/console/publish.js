// @ts-check
/** Camera and microphone of this browser into a stage, with a participant token pasted in. */

import { decodeToken, publish } from "./client.js";

/** @param {string} id */
const byId = id => /** @type {any} */ (document.getElementById(id));

/** Wires the dialog. */
export function setUpPublishing() {
  /** @type {HTMLDialogElement} */
  const dialog = byId("publish");
  /** @type {HTMLVideoElement} */
  const preview = byId("publish-preview");
  /** @type {HTMLButtonElement} */
  const start = byId("publish-start");
  /** @type {import("./client.js").MediaSession | undefined} */
  let media;
  /** @type {MediaStream | undefined} */
  let camera;

  const say = (/** @type {string} */ text) => {
    byId("publish-status").textContent = text;
  };

  const stop = () => {
    media?.close();
    for (const track of camera?.getTracks() ?? []) track.stop();
    media = undefined;
    camera = undefined;
    preview.hidden = true;
    start.textContent = "Publish camera and microphone";
    byId("open-publish").removeAttribute("aria-pressed");
  };

  const begin = async () => {
    const token = byId("publish-token").value.trim();
    const { whip_url: url, user_id: userId, jti } = decodeToken(token);
    camera = await navigator.mediaDevices.getUserMedia({
      audio: true,
      video: { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
    });
    preview.srcObject = camera;
    preview.hidden = false;
    preview.play().catch(() => {});
    const session = publish(url, token, camera, { videoCodec: "H264" });
    media = session;
    session.addEventListener("statechange", () => {
      if (session === media) say(session.error?.message ?? `${userId || jti} is ${session.state}`);
    });
    start.textContent = "Stop publishing";
    byId("open-publish").setAttribute("aria-pressed", "true");
  };

  byId("open-publish").addEventListener("click", () => dialog.showModal());
  byId("publish-close").addEventListener("click", () => dialog.close());
  byId("publish-form").addEventListener("submit", async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if (media) {
      stop();
      say("Stopped");
      return;
    }
    start.disabled = true;
    try {
      await begin();
    } catch (error) {
      stop();
      say(error instanceof Error ? error.message : `${error}`);
    } finally {
      start.disabled = false;
    }
  });
}
