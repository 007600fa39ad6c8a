// @ts-check
/** The form that asks for the console's key. */

import { hasKey, setKey } from "./api.js";

/** @param {string} id */
const byId = id => /** @type {any} */ (document.getElementById(id));

/** Shown instead of the console while the server refuses the key. */
export class KeyForm {
  #section = /** @type {HTMLElement} */ (byId("key"));
  #input = /** @type {HTMLInputElement} */ (byId("key-input"));
  #problem = /** @type {HTMLElement} */ (byId("key-problem"));
  #heading;

  /**
   * @param {() => void} onKey Tries the key.
   * @param {string} [heading] The id of what gets the focus when the server accepts the key.
   */
  constructor(onKey, heading = "stages-title") {
    this.#heading = heading;
    byId("key-form").addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      setKey(this.#input.value);
      onKey();
    });
  }

  /** Shows the form, because the server refuses the key or there is none. */
  ask() {
    const isFirst = this.#section.hidden;
    this.#section.hidden = false;
    document.body.dataset.locked = "";
    // Reports a wrong key only if one was tried.
    this.#problem.textContent = hasKey() ? "The server does not take this key." : "";
    if (isFirst || this.#problem.textContent) this.#input.select();
    if (isFirst) this.#input.focus();
  }

  /** Hides the form, because the server accepted the key. */
  done() {
    if (this.#section.hidden) return;
    this.#section.hidden = true;
    this.#input.value = "";
    delete document.body.dataset.locked;
    byId(this.#heading).focus();
  }
}
