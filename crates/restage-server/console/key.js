// @ts-check
/** The form that asks for the console's key. */

import { hasKey, setKey } from "./api.js";

/** @param {string} id */
const byId = id => /** @type {any} */ (document.getElementById(id));

/** Shown in place of the console while the server does not take the key. */
export class KeyForm {
  #section = /** @type {HTMLElement} */ (byId("key"));
  #input = /** @type {HTMLInputElement} */ (byId("key-input"));
  #problem = /** @type {HTMLElement} */ (byId("key-problem"));

  /** @param {() => void} onKey Has the key tried. */
  constructor(onKey) {
    byId("key-form").addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      setKey(this.#input.value);
      onKey();
    });
  }

  /** The server refuses the key there is, or there is none. */
  ask() {
    const isFirst = this.#section.hidden;
    this.#section.hidden = false;
    document.body.dataset.locked = "";
    // A key that was tried and is wrong is said so; without one there is nothing to say yet.
    this.#problem.textContent = hasKey() ? "The server does not take this key." : "";
    if (isFirst || this.#problem.textContent) this.#input.select();
    if (isFirst) this.#input.focus();
  }

  /** The key is right. */
  done() {
    if (this.#section.hidden) return;
    this.#section.hidden = true;
    this.#input.value = "";
    delete document.body.dataset.locked;
    byId("stages-title").focus();
  }
}
