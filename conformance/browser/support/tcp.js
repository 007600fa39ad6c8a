/** A viewer that is reached over TCP alone, on a link that carries less than the largest layer for a while. */

import { launch, openPage, Site } from "./browser.js";
import { Lab, SERVER_IP } from "./lab.js";
import { freeTcpPort, Server } from "./server.js";
import { Stages } from "./stages.js";
import { after, seen } from "./throttled.js";
import { eventually } from "./wait.js";

/** The throttled link carries this part of what the largest layer takes, which is less on a busy machine that encodes few pictures, */
const CARRIED = 0.5;
/** but so much that the smallest layer and sound pass, and no more than this. */
const [THROTTLED_LEAST_BPS, THROTTLED_MOST_BPS] = [350_000, 600_000];
/** What the largest layer takes is measured over this time. */
const MEASURED_MS = 3_000;
export const LARGEST = 540;
/** The first pictures of a busy machine, and the steps up to the largest layer. */
const START_MS = 60_000;

const POLL_MS = 80;

/** What the publisher has sent of the largest layer so far. @param {import("playwright-core").Page} page */
async function sentOfLargest(page) {
  const layers = await page.evaluate("window.layers()");
  return { at: Date.now(), bytes: layers.find(one => one.height === LARGEST)?.bytes ?? 0 };
}

/** Bits per second between two times. */
const rate = (before, after) => ((after.bytes - before.bytes) * 8_000) / (after.at - before.at);

const pause = () => new Promise(resolve => setTimeout(resolve, POLL_MS));

/**
 * What the viewer is shown: how soon a smaller layer, what then, and how soon the largest again; and whether the largest layer was too
 * much for the link, which it is not while the publisher has no processor for its pictures.
 * @param {string} codec
 * @param {{ throttledMs: number, beginMs: number, freeMs: number }} times How long the link is throttled, of which the
 *   beginning is looked at by itself; and how long it is free again at most.
 */
export async function overTcp(codec, { throttledMs, beginMs, freeMs }) {
  const lab = await Lab.open();
  const metrics = `127.0.0.1:${await freeTcpPort()}`;
  const server = await Server.start("browser_tcp", SERVER_IP, {
    listens: "0.0.0.0",
    flags: ["--metrics", metrics],
  });
  const site = await Site.open({ host: SERVER_IP });
  const stages = await Stages.of(server);
  const base = `http://${SERVER_IP}:${server.httpPort}`;
  /** @type {import("playwright-core").Browser[]} */
  const browsers = [];
  const open = async (/** @type {string} */ name) => {
    const host = await lab.host(name, { isIpv6: false });
    const flags = [`--unsafely-treat-insecure-origin-as-secure=${site.origin}`];
    const browser = await launch({ isLoopbackUsed: false, executablePath: host.chromium, flags });
    browsers.push(browser);
    return { host, page: await openPage(browser, site, "wires.html") };
  };
  try {
    const stage = await stages.create("tcp");
    const ann = await stages.token(stage, { userId: "ann" });
    const publisher = await open("ann");
    const wishes = { url: `${base}/whip`, token: ann.token, codec };
    await publisher.page.evaluate(given => window.publish(given), wishes);
    await stages.waitFor(stage, ann.participantId, "CONNECTED");
    const { host, page } = await open("viewer");
    host.block("-p udp");
    const { token } = await stages.token(stage, { capabilities: ["SUBSCRIBE"] });
    await page.evaluate(given => window.watch(given), { url: `${base}/whep/${ann.participantId}`, token });
    const newest = () => page.evaluate("window.samples.at(-1)");
    await eventually(async () => (await newest())?.height === LARGEST, "the largest layer", START_MS);
    const during = async (
      /** @type {number | undefined} */ bps,
      /** @type {number} */ ms,
      isEnough = () => false,
    ) => {
      const from = Date.now();
      host.throttle(bps);
      while (Date.now() < from + ms && !isEnough(await newest())) await pause();
      const samples = await page.evaluate(since => window.samples.filter(one => one.at >= since), from);
      return { from, samples };
    };
    const before = await sentOfLargest(publisher.page);
    await new Promise(resolve => setTimeout(resolve, MEASURED_MS));
    const part = CARRIED * rate(before, await sentOfLargest(publisher.page));
    const throttledBps = Math.round(Math.min(Math.max(part, THROTTLED_LEAST_BPS), THROTTLED_MOST_BPS));
    const begun = await sentOfLargest(publisher.page);
    const bad = await during(throttledBps, throttledMs);
    const largestBps = Math.round(rate(begun, await sentOfLargest(publisher.page)));
    const isFallen = bad.samples.at(-1)?.height < LARGEST;
    const good = await during(undefined, freeMs, one => one.height === LARGEST);
    const counters = await (await fetch(`http://${metrics}/metrics`)).text();
    const [, dropped] = counters.match(/^restage_media_line_datagrams_dropped_total\S* (\d+)/m) ?? [];
    return {
      path: (await newest()).path,
      fallenS: after(bad.samples, bad.from, one => one.height < LARGEST),
      // Whoever is shown it at the end need not climb.
      climbedS: isFallen ? after(good.samples, good.from, one => one.height === LARGEST) : 0,
      throttledBps,
      // With the headers of packets it takes more than this.
      isTooMuch: largestBps > throttledBps,
      settled: seen(bad.samples.filter(one => one.at >= bad.from + beginMs)),
      dropped,
    };
  } finally {
    for (const browser of browsers) await browser.close();
    await site.close();
    await server.stop();
    await lab.close();
  }
}
