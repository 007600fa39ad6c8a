// @ts-check
/** The dialog that checks the network between this browser and the server. */

import { beginPathCheck, endPathCheck } from "./api.js";
import { describeError } from "./explain.js";
import { byId, make } from "./names.js";
import { tryPaths } from "./paths.js";

/** @typedef {import("./paths.js").Finding} Finding */

/** The words for verdicts, so that they are not told by colour alone. */
const WORDS = { ok: "ok", off: "off", warn: "look", fail: "closed" };

/** Checks when it is opened, and again on request. */
export class Network {
  #dialog = /** @type {HTMLDialogElement} */ (byId("network"));
  #list = /** @type {HTMLElement} */ (byId("network-findings"));
  #again = /** @type {HTMLButtonElement} */ (byId("network-again"));
  #status = /** @type {HTMLElement} */ (byId("network-status"));
  #problem = /** @type {HTMLElement} */ (byId("network-problem"));
  #region;
  #isChecking = false;

  /** @param {() => string} region The Region for the check's stage. */
  constructor(region) {
    this.#region = region;
    byId("open-network").addEventListener("click", () => {
      this.#dialog.showModal();
      this.#check();
    });
    byId("network-close").addEventListener("click", () => this.#dialog.close());
    this.#again.addEventListener("click", () => this.#check());
  }

  async #check() {
    if (this.#isChecking) return;
    this.#isChecking = true;
    this.#again.disabled = true;
    this.#list.replaceChildren();
    this.#problem.textContent = "";
    this.#status.textContent = "Trying each path; this takes some seconds…";
    /** @type {import("./api.js").PathCheck | undefined} */
    let check;
    // The server need not wait for a check whose page is left.
    const leave = () => void (check && endPathCheck(check).catch(() => {}));
    addEventListener("pagehide", leave);
    try {
      check = await beginPathCheck(this.#region());
      await tryPaths(check, found => this.#show(found));
    } catch (error) {
      this.#problem.textContent = describeError(error);
      this.#status.textContent = "";
    }
    removeEventListener("pagehide", leave);
    if (check) await endPathCheck(check).catch(() => {});
    this.#isChecking = false;
    this.#again.disabled = false;
  }

  /** @param {Finding} found */
  #show({ check, verdict, sentence }) {
    if (check === "Result") {
      this.#status.textContent = sentence;
      return;
    }
    const word = make("span", "verdict", WORDS[verdict]);
    word.dataset.verdict = verdict;
    const row = make("li", "finding", make("span", "finding-check", check), word, make("p", "", sentence));
    this.#list.append(row);
  }
}
