/** A browser's simulcast is recorded while its layers and its camera come and go, and the whole of it is played. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { openPage } from "../support/browser.js";
import { Cards, playing } from "../support/cards.js";
import { createRecordedStage, waitForRecording } from "../support/recording.js";
import { browser, server, site, stages, useScene } from "../support/scene.js";
import { ROOT } from "../support/server.js";
import { eventuallySeen } from "../support/wait.js";

useScene("browser_recorded_layers", { closesPages: true });

const run = promisify(execFile);

/** How long a busy machine may take to send another layer, and to have it in the bucket. */
const CHANGE_MS = 60_000;
const PLAY_MS = 100_000;
const BUCKET = "simulcast-vods";

/** The folder of the one recording below a folder. @param {string} folder */
async function recordingIn(folder) {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const found = names.find(name => name.endsWith("high/playlist.m3u8"));
  return found && join(folder, found, "../../../..");
}

/** What FFmpeg warns of when it decodes all of a playlist. */
const WARNINGS = `
import sys
sys.path.insert(0, sys.argv[1])
from support.recording import ffmpeg_warnings
print("\\n".join(ffmpeg_warnings(sys.argv[2], int(sys.argv[3]))))
`;

test("layers and the camera of a simulcast publisher come and go", async () => {
  const stage = await createRecordedStage(stages, "Simulcast");
  const { participantId, token } = await stages.token(stage, { userId: "ann" });
  const page = await openPage(browser, site, `peer.html#role=publish&codec=H264&simulcast=1&token=${token}`);
  await waitForRecording(stages, stage, participantId, "ACTIVE");
  const bucket = join(server.dataDir, "recordings", BUCKET);
  const read = async () => {
    const folder = await recordingIn(bucket);
    const text = folder && (await readFile(join(folder, "media/hls/high/playlist.m3u8"), "utf8"));
    return (text ?? "").split("#EXT-X-DISCONTINUITY").length - 1;
  };
  // Each change begins another part, and the first one begins after there is something: a climb to the best layer may be a part.
  let parts = 0;
  const another = async what => {
    const before = parts;
    parts = await eventuallySeen(read, now => now > before, what, CHANGE_MS);
  };
  const segments = async () => {
    const folder = await recordingIn(bucket);
    return folder ? (await readdir(join(folder, "media/hls/high"))).length : 0;
  };
  await eventuallySeen(segments, count => count >= 4, "the beginning is in the bucket", CHANGE_MS);
  parts = await read();
  await page.evaluate('window.setLayers(["low"])');
  await another("the smallest layer is recorded");
  await page.evaluate('window.setLayers(["low", "mid", "hi"])');
  await another("a better layer is recorded again");
  await page.evaluate("window.setCamera(false)");
  await another("the camera is off");
  await page.evaluate("window.setCamera(true)");
  await another("the camera is on again");
  await page.evaluate("window.leave()");
  await waitForRecording(stages, stage, participantId, "STOPPED");

  const folder = await recordingIn(bucket);
  const text = await readFile(join(folder, "media/hls/high/playlist.m3u8"), "utf8");
  const inits = text.match(/#EXT-X-MAP/g)?.length ?? 0;
  const durations = [...text.matchAll(/#EXTINF:([\d.]+)/g)].map(([, seconds]) => Number(seconds));
  const seconds = durations.reduce((sum, duration) => sum + duration, 0);
  const python = join(ROOT, "conformance", "python");
  const playlist = join(folder, "media/hls/multivariant.m3u8");
  const said = await run(join(ROOT, ".venv", "bin", "python"), [
    "-c",
    WARNINGS,
    python,
    playlist,
    `${inits}`,
  ]);
  assert.equal(said.stdout.trim(), "");

  const cards = await Cards.open({ folder });
  try {
    const player = await browser.newPage();
    await player.goto(`${cards.origin}/player.html`);
    const seen = await player.evaluate(playing(`${cards.origin}/media/hls/multivariant.m3u8`, PLAY_MS));
    const all = JSON.stringify(seen);
    assert.deepEqual(seen.problems, [], all);
    assert.ok(seen.ended && Math.abs(seen.time - seconds) < 0.5, `${all} of ${seconds} s`);
    assert.equal(seen.buffered.length, 1, all);
    assert.ok(new Set(seen.widths).size >= 3, `two layers and black: ${all}`);
  } finally {
    await cards.close();
  }
});
