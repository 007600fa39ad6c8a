/**
 * hls.js plays recordings in which tracks and formats come and go, in Chromium and in Firefox, from their beginning to their end.
 * conformance/python/test_recording_players.py does the same with FFmpeg and GStreamer.
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";

import { FIREFOX, launchFirefox } from "../../interop/clients/firefox.js";
import { launch } from "../support/browser.js";
import { Cards, playing } from "../support/cards.js";

/** H.265 is not among them: Debian's Chromium ends when it is to decode it. */
const CODECS = ["H264", "VP9", "AV1"];
const SMALL = "320x180";
const LARGE = "640x360";
const [SMALL_WIDTH, LARGE_WIDTH, BLACK_WIDTH] = [320, 640, 640];
/** A busy machine may play slower than in real time. */
const PLAY_MS = 100_000;

/** What happens, for how many seconds, which widths are seen one after the other, and the least number of pictures. */
const SCENES = {
  "pictures after 4 s": { events: ["off=0-4"], seconds: 10, widths: [SMALL_WIDTH], pictures: 120 },
  "a publisher of sound who comes back with pictures": {
    events: ["length=20", "sound-only-agreed", "back=7.9-9.9"],
    seconds: 18,
    widths: [BLACK_WIDTH, SMALL_WIDTH],
    pictures: 200,
  },
  "a camera that is off, on, off and on, and another size": {
    events: ["off=0-8", "then={large}@12", "then={small}@15", "off=20-23", "mute=24-27"],
    seconds: 28,
    widths: [BLACK_WIDTH, SMALL_WIDTH, LARGE_WIDTH, SMALL_WIDTH, BLACK_WIDTH, SMALL_WIDTH],
    pictures: 400,
  },
};

/** @type {Cards} */
let cards;
/** @type {{ name: string, seconds: number, widths: number[], pictures: number, playlist: string }[]} */
const recordings = [];

before(async () => {
  cards = await Cards.open();
  for (const codec of CODECS) {
    const [small, large] = [await cards.card(codec, SMALL), await cards.card(codec, LARGE)];
    for (const [number, [name, scene]] of Object.entries(SCENES).entries()) {
      const events = scene.events.map(event => event.replace("{small}", small).replace("{large}", large));
      const length = `length=${scene.seconds}`;
      const playlist = await cards.record(`${codec}-${number}`, small, [length, ...events]);
      recordings.push({ ...scene, name: `${codec}: ${name}`, playlist });
    }
  }
});

after(() => cards?.close());

/**
 * Each recording is played to its end, with all pictures, and without a hole or a complaint.
 * @param {{ goto: (url: string) => Promise<unknown>, evaluate: (code: string) => Promise<any> }} page
 */
async function assertPlaysAll(page) {
  for (const { name, seconds, widths, pictures, playlist } of recordings) {
    await page.goto(`${cards.origin}/player.html`);
    const seen = await page.evaluate(playing(playlist, PLAY_MS));
    const said = `${name}: ${JSON.stringify(seen)}`;
    assert.deepEqual(seen.problems, [], said);
    assert.ok(seen.ended && Math.abs(seen.time - seconds) < 0.2, said);
    assert.equal(seen.buffered.length, 1, said);
    assert.ok(seen.buffered[0][0] < 0.01, said);
    // A size that stays is not told again.
    assert.deepEqual(
      seen.widths,
      widths.filter((width, at) => width !== widths[at - 1]),
      said,
    );
    assert.equal(seen.seeks, 0, said);
    assert.ok(seen.pictures >= pictures, said);
  }
}

test("Chromium plays recordings in which tracks come and go", async () => {
  const browser = await launch();
  try {
    await assertPlaysAll(await browser.newPage());
  } finally {
    await browser.close();
  }
});

const hasFirefox = existsSync(FIREFOX);
assert.ok(hasFirefox || !process.env.CI, `CI has all that this needs, but there is no ${FIREFOX}`);

test("Firefox plays recordings in which tracks come and go", {
  skip: hasFirefox ? false : `there is no ${FIREFOX} (Debian package firefox-esr)`,
}, async () => {
  const firefox = await launchFirefox();
  try {
    await assertPlaysAll(await firefox.newPage());
  } finally {
    await firefox.close();
  }
});
