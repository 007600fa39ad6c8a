/** Viewers on hosts of their own, one of which has a bad network: what they are sent, measured. */

import { launch, openPage, Site } from "./browser.js";
import { Lab, SERVER_IP } from "./lab.js";
import { Server } from "./server.js";
import { Stages } from "./stages.js";
import { eventually } from "./wait.js";

/** Height of the largest layer of pages/wires.js. */
const LARGEST = 540;
/** The first pictures of a busy machine, and the steps up to the largest layer. */
const START_MS = 60_000;
/** A rate is measured over this time. */
const RATE_MS = 500;
const POLL_MS = 80;

const pause = () => new Promise(resolve => setTimeout(resolve, POLL_MS));

/** A publisher, a viewer and a viewer beside it, each in a browser of its own on a host of its own. */
export class Scene {
  /** @type {import("playwright-core").Browser[]} */
  #browsers = [];
  /** How long a packet waits before the throttled link, at most. @type {number | undefined} */
  queueMs;

  /**
   * @param {{ codec: string, scalabilityMode?: string, isReplica?: boolean, hasRembAlone?: boolean,
   *   impaired?: Parameters<import("./lab.js").Host["impair"]>[0] }} wishes With a scalability mode there is one layer. The viewer,
   *   and not the one beside, may have REMB alone: no transport-wide feedback.
   */
  static async open({ codec, scalabilityMode, isReplica = false, hasRembAlone = false, impaired }) {
    const scene = new Scene();
    scene.lab = await Lab.open();
    scene.server = await Server.start("browser_networks", SERVER_IP, { listens: "0.0.0.0" });
    scene.site = await Site.open({ host: SERVER_IP });
    try {
      await scene.#fill({ codec, scalabilityMode }, { isReplica, hasRembAlone, impaired });
    } catch (error) {
      await scene.close();
      throw error;
    }
    return scene;
  }

  /**
   * @param {{ codec: string, scalabilityMode?: string }} sent
   * @param {{ isReplica: boolean, hasRembAlone: boolean, impaired: any }} watched
   */
  async #fill(sent, { isReplica, hasRembAlone, impaired }) {
    const stages = await Stages.of(this.server);
    const base = `http://${SERVER_IP}:${this.server.httpPort}`;
    const source = await stages.create("source");
    const ann = await stages.token(source, { userId: "ann" });
    const publisher = await this.#page("ann");
    await publisher.page.evaluate(wishes => window.publish(wishes), {
      url: `${base}/whip`,
      token: ann.token,
      ...sent,
    });
    this.publisher = publisher;
    await stages.waitFor(source, ann.participantId, "CONNECTED");
    let watched = source;
    if (isReplica) {
      watched = await stages.create("destination");
      await stages.replicate(source, watched, ann.participantId);
    }
    for (const name of /** @type {const} */ (["viewer", "beside"])) {
      const viewer = await this.#page(name, name === "viewer" ? impaired : undefined);
      const { token } = await stages.token(watched, { capabilities: ["SUBSCRIBE"] });
      const url = `${base}/whep/${ann.participantId}`;
      const wishes = { url, token, hasRembAlone: hasRembAlone && name === "viewer" };
      await viewer.page.evaluate(wishes => window.watch(wishes), wishes);
      this[name] = viewer;
    }
    for (const { page } of [this.viewer, this.beside])
      await eventually(async () => (await newest(page))?.height === LARGEST, "the largest layer", START_MS);
  }

  /** @param {string} name @param {any} [impaired] */
  async #page(name, impaired) {
    const host = await this.lab.host(name);
    // Before its browser starts, which would end its requests when its network changes.
    if (impaired) await host.impair(impaired);
    const browser = await launch({
      isLoopbackUsed: false,
      executablePath: host.chromium,
      flags: [`--unsafely-treat-insecure-origin-as-secure=${this.site.origin}`],
    });
    this.#browsers.push(browser);
    return { host, page: await openPage(browser, this.site, "wires.html") };
  }

  async close() {
    for (const browser of this.#browsers) await browser.close();
    await this.site.close();
    await this.server.stop();
    await this.lab.close();
  }

  /**
   * Throttles the viewer's link, or no more, and waits.
   * @param {number | undefined} bps
   * @param {number} ms At most.
   * @param {(sample: any) => boolean} [isEnough] Ends it sooner.
   */
  async during(bps, ms, isEnough = () => false) {
    const from = Date.now();
    this.viewer.host.throttle(bps, this.queueMs);
    const wire = [];
    while (Date.now() < from + ms) {
      if (bps !== undefined) wire.push(this.viewer.host.carried());
      await pause();
      const { page } = this.viewer;
      if (isEnough(await newest(page))) break;
    }
    const [viewer, beside] = await Promise.all(
      [this.viewer, this.beside].map(({ page }) => samplesOf(page, from)),
    );
    const encoded = await this.publisher.page.evaluate("window.encoded");
    return { from, viewer, beside, encoded, aboveS: bps === undefined ? 0 : above(wire, from, bps) };
  }
}

const newest = page => page.evaluate("window.samples.at(-1)");
const samplesOf = (page, from) => page.evaluate(since => window.samples.filter(one => one.at >= since), from);

/** Seconds until no more than the rate is sent, for the first time for {@link RATE_MS}. */
function above(wire, from, bps) {
  for (const [place, first] of wire.entries()) {
    const last = wire.slice(place).find(one => one.at - first.at >= RATE_MS);
    if (last && ((last.given - first.given) * 8_000) / (last.at - first.at) <= bps)
      return (first.at - from) / 1_000;
  }
  return Number.POSITIVE_INFINITY;
}

/** Seconds until a sample is as wanted; infinite if none is. */
export function after(samples, from, isWanted) {
  const found = samples.find(isWanted);
  return found ? (found.at - from) / 1_000 : Number.POSITIVE_INFINITY;
}

/** What a viewer has seen and heard: of all samples of a time. */
export function seen(samples) {
  const [first, last] = [samples[0], samples.at(-1)];
  const seconds = (last.at - first.at) / 1_000;
  return {
    fps: (last.frames - first.frames) / seconds,
    freezes: last.freezes - first.freezes,
    frozenS: last.frozenS - first.frozenS,
    lost: last.lost - first.lost,
    heights: [...new Set(samples.map(one => one.height))],
    concealedPercent: (100 * (last.concealed - first.concealed)) / Math.max(1, last.sound - first.sound),
  };
}
