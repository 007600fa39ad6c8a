// @ts-check
/** What all forms do: send once, and say where it belongs what is wrong. */

import { describeError } from "./explain.js";
import { byId } from "./names.js";

/** A value of a field that cannot be sent. */
export class Misfit extends Error {
  /**
   * @param {string} field The field's id; what is wrong is shown in `<field>-problem`.
   * @param {string} message
   */
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/** @param {string} field */
function clear(field) {
  const problem = document.getElementById(`${field}-problem`);
  if (!problem) return;
  problem.textContent = "";
  document.getElementById(field)?.removeAttribute("aria-invalid");
}

/** @param {Misfit} misfit */
function showAtField({ field, message }) {
  byId(`${field}-problem`).textContent = message;
  const input = byId(field);
  input.setAttribute("aria-invalid", "true");
  input.focus();
}

/**
 * Forgets what was wrong with the fields of a form.
 * @param {HTMLElement} form
 */
export function clearFields(form) {
  for (const input of form.querySelectorAll("[aria-invalid]")) clear(input.id);
}

/**
 * Sends a form once, and shows below it, or at the field, why sending failed, until something in it is changed.
 * @param {string} id The form's id; its problem is shown in `<id>-problem`.
 * @param {() => Promise<void>} send
 */
export function onSubmit(id, send) {
  const form = /** @type {HTMLFormElement} */ (byId(id));
  const problem = /** @type {HTMLElement} */ (byId(`${id}-problem`));
  // What was refused stands there no longer.
  form.addEventListener("input", event => {
    problem.textContent = "";
    clear(/** @type {HTMLElement} */ (event.target).id);
  });
  form.addEventListener("submit", async event => {
    event.preventDefault();
    const button = /** @type {HTMLButtonElement} */ (form.querySelector("[type=submit]"));
    if (button.disabled) return;
    button.disabled = true;
    problem.textContent = "";
    clearFields(form);
    try {
      await send();
    } catch (error) {
      if (error instanceof Misfit) showAtField(error);
      else problem.textContent = describeError(error);
    } finally {
      button.disabled = false;
    }
  });
}
