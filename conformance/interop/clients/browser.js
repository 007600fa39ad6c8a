/**
 * A browser with js/client on a customer's page, without flags or preferences that affect ICE.
 * node browser.js chromium|firefox publish|watch URL TOKEN VP8|VP9|AV1|H264
 */

import { launch as launchChromium, Site } from "../../browser/support/browser.js";
import { launchFirefox } from "./firefox.js";
import { main, say } from "./support.js";

const [name] = process.argv.splice(2, 1);

function launch() {
  if (name === "chromium") return launchChromium({ isLoopbackUsed: false });
  return launchFirefox();
}

/** A checksum of the displayed picture, to distinguish different pictures. */
const SAMPLE = `(() => {
  const video = document.getElementById("video");
  const context = new OffscreenCanvas(80, 60).getContext("2d");
  context.drawImage(video, 0, 0, 80, 60);
  const { data } = context.getImageData(0, 0, 80, 60);
  return data.reduce((sum, value, at) => (sum * 31 + value * (at % 251)) % 2147483647, 7);
})()`;

async function read(page) {
  const { state, error, frames } = await page.evaluate("window.readState()");
  const stats = await page.evaluate("window.readStats()");
  const sample = frames > 0 ? await page.evaluate(SAMPLE) : undefined;
  return { state, error, frames, stats, sample };
}

async function open(role, url, token, codec) {
  const site = await Site.open();
  const browser = await launch();
  const page = await browser.newPage();
  page.on("pageerror", error => say({ failed: `${error}` }));
  const participant = url.slice(url.lastIndexOf("/") + 1);
  const wishes = new URLSearchParams({ role, token, codec, participant, url: new URL(url).origin });
  await page.goto(`${site.origin}/peer.html#${wishes}`);
  await page.waitForFunction("window.readState !== undefined");
  const seen = { state: "", frames: 0, changes: 0, sounds: 0, codec: "" };
  let last = { sample: undefined, energy: 0 };
  return {
    report: async () => {
      const { state, error, frames, stats, sample } = await read(page);
      const energy = stats?.audioEnergy ?? 0;
      if (last.sample !== undefined && sample !== last.sample) seen.changes += 1;
      if (energy > last.energy) seen.sounds += 1;
      last = { sample, energy };
      return { ...seen, state, error, frames, codec: stats?.videoCodec };
    },
    leave: async () => {
      await page.evaluate("window.leave()");
      await browser.close();
      await site.close();
    },
  };
}

await main(open);
