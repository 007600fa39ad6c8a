/** Recordings of a test card in which tracks come and go, and a page that plays them with the console's hls.js. */

import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { promisify } from "node:util";

import { ROOT } from "./server.js";

const run = promisify(execFile);

const RECORD_FILE = join(ROOT, "target", "debug", "examples", "record_file");
const PYTHON = join(ROOT, ".venv", "bin", "python");
const LIBRARY = join(ROOT, "js", "console", "vendor", "hls.js", "hls.light.min.mjs");
const PAGE = "<!doctype html><title>player</title><video id=video muted playsinline></video>";
const TYPES = {
  ".html": "text/html",
  ".mjs": "text/javascript",
  ".m3u8": "application/vnd.apple.mpegurl",
  ".mp4": "video/mp4",
};
/** The cards are those of the Python tests. */
const MAKE = `
import sys
sys.path.insert(0, sys.argv[1])
from support.cards import Cards
print(Cards(sys.argv[2]).card(sys.argv[3], sys.argv[4]))
`;

export class Cards {
  /** @param {{ folder?: string }} [wishes] A folder of recordings that are there already; it stays. */
  static async open({ folder } = {}) {
    const cards = new Cards();
    cards.isMade = !folder;
    cards.folder = folder ?? (await mkdtemp(join(tmpdir(), "restage-cards-")));
    cards.server = createServer(async (request, response) => {
      const path = normalize(new URL(request.url ?? "/", "http://site").pathname);
      const body = await cards.#read(path).catch(() => undefined);
      response.writeHead(body ? 200 : 404, { "Content-Type": TYPES[extname(path)] ?? "text/plain" });
      response.end(body);
    }).listen(0, "127.0.0.1");
    await once(cards.server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (cards.server.address());
    cards.origin = `http://127.0.0.1:${port}`;
    return cards;
  }

  /** @param {string} path */
  async #read(path) {
    if (path === "/player.html") return PAGE;
    return await readFile(path === "/hls.mjs" ? LIBRARY : join(this.folder, path));
  }

  /**
   * An encoded card of four seconds.
   * @param {string} codec
   * @param {string} size
   */
  async card(codec, size) {
    const python = join(ROOT, "conformance", "python");
    return (await run(PYTHON, ["-c", MAKE, python, this.folder, codec, size])).stdout.trim();
  }

  /**
   * Records a card; `events` are those of the example `record_file`.
   * @param {string} name
   * @param {string} file
   * @param {string[]} events
   * @returns {Promise<string>} The URL of the playlist of all playlists.
   */
  async record(name, file, events) {
    await run(RECORD_FILE, [file, join(this.folder, name), ...events]);
    return `${this.origin}/${name}/media/hls/multivariant.m3u8`;
  }

  async close() {
    this.server.closeAllConnections?.();
    this.server.close();
    await once(this.server, "close");
    if (this.isMade) await rm(this.folder, { recursive: true });
  }
}

/** How much faster than in real time recordings are played. */
const PLAYBACK_RATE = 4;

/**
 * A script that plays a playlist in the page until its end, or until `timeoutMs` are over; it returns what has been seen.
 * @param {string} playlist
 * @param {number} timeoutMs
 */
export const playing = (playlist, timeoutMs) => `(async () => {
  const { default: Hls } = await import("/hls.mjs");
  const video = document.getElementById("video");
  const problems = [];
  const widths = [];
  let [seeks, waits] = [0, 0];
  video.addEventListener("resize", () => widths.push(video.videoWidth));
  video.addEventListener("seeking", () => seeks++);
  const hls = new Hls({ enableWorker: false });
  // Where a busy machine brings parts later than they are played, the player waits for them.
  const isWait = details => details === Hls.ErrorDetails.BUFFER_STALLED_ERROR;
  hls.on(Hls.Events.ERROR, (_, { type, details, error }) => {
    if (isWait(details)) waits++;
    else problems.push([type, details, error?.message].join(" "));
  });
  hls.loadSource("${playlist}");
  hls.attachMedia(video);
  video.playbackRate = ${PLAYBACK_RATE};
  const ended = new Promise(resolve => video.addEventListener("ended", resolve, { once: true }));
  // A player that stands still tells nothing more: the deadline needs a clock of its own.
  const isOver = new Promise(resolve => setTimeout(resolve, ${timeoutMs}));
  video.play().catch(({ message }) => problems.push("play: " + message));
  await Promise.race([ended, isOver]);
  const pieces = [...Array(video.buffered.length).keys()];
  const buffered = pieces.map(at => [video.buffered.start(at), video.buffered.end(at)]);
  const { totalVideoFrames } = video.getVideoPlaybackQuality();
  const { ended: hasEnded, currentTime: time, readyState, paused } = video;
  const seen = { ended: hasEnded, time, buffered, widths, seeks, problems, waits, readyState, paused };
  hls.destroy();
  return { ...seen, pictures: totalVideoFrames };
})()`;
