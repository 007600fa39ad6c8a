/** Pages with a stage of js/client, and what the tests of them ask. */

import { openPage } from "./browser.js";
import { browser, site, stages } from "./scene.js";
import { eventually } from "./wait.js";

/** A participant with a page of its own. */
export class StagePage {
  /** @type {string} */
  id;
  /** @type {string} */
  token;
  /** @type {import("playwright-core").Page} */
  page;

  /**
   * Opens a page for a new participant of a stage, and joins.
   * @param {string} arn
   * @param {string} userId
   * @param {string} [wishes] Of its fragment: see pages/stage.js.
   * @param {{ capabilities?: string[], token?: { token: string, participantId: string }, on?: { browser: any, site: any } }} [more]
   */
  static async join(arn, userId, wishes = "", { capabilities, token, on = { browser, site } } = {}) {
    const made =
      token ?? (await stages.token(arn, { userId, capabilities: capabilities ?? ["PUBLISH", "SUBSCRIBE"] }));
    const stagePage = new StagePage();
    stagePage.id = made.participantId;
    stagePage.token = made.token;
    stagePage.page = await openPage(on.browser, on.site, `stage.html#${wishes}&token=${made.token}`);
    await stagePage.page.evaluate("window.join()");
    return stagePage;
  }

  /** All that the page tells of itself. */
  read() {
    return this.page.evaluate("window.read()");
  }

  /** @param {object} change Of what the strategy answers; asks for a refresh. */
  change(change) {
    return this.page.evaluate(`window.change(${JSON.stringify(change)})`);
  }

  /** @param {{ id: string }} other Whose streams these are. */
  async streamsOf(other) {
    return (await this.read()).streams[other.id] ?? [];
  }

  /** @param {{ id: string }} other Of whom so many pictures have been shown. */
  async framesOf(other) {
    return (await this.read()).frames[other.id] ?? 0;
  }

  /**
   * Waits until the page shows these streams of another participant, and pictures if they are among them.
   * @param {{ id: string }} other
   * @param {string[]} [streams]
   * @param {number} [timeoutMs]
   */
  async shows(other, streams = ["audio", "video"], timeoutMs = 30_000) {
    await eventually(
      async () => `${await this.streamsOf(other)}` === `${streams}`,
      `${streams.join(" and ") || "nothing"} of ${other.id}`,
      timeoutMs,
    );
    if (streams.includes("video")) await this.movesOn(other, timeoutMs);
  }

  /**
   * Waits until more pictures of another participant are shown.
   * @param {{ id: string }} other
   * @param {number} [timeoutMs]
   */
  async movesOn(other, timeoutMs = 30_000) {
    const before = await this.framesOf(other);
    const isMoving = async () => (await this.framesOf(other)) > before + 5;
    await eventually(isMoving, `pictures of ${other.id}`, timeoutMs);
  }

  /** The events of a name, each as `[name, id, value]`. */
  async events(name) {
    return (await this.read()).happened.filter(([happened]) => happened === name);
  }

  /** How many connections the page has made to receive and to send. */
  connections() {
    return this.page.evaluate("window.connectionsMade()");
  }

  leave() {
    return this.page.evaluate("window.stage.leave()");
  }

  close() {
    return this.page.close();
  }
}
