/** Checks that the console's scripts and styles are small, compressed as a proxy would; the player of recordings is not counted. */

import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const FOLDER = new URL("dist/assets/", import.meta.url);
const BYTES_MAX = 300_000;
/** The player is fetched when the first recording is played. */
const PLAYER = /^hls/;

const names = readdirSync(FOLDER).filter(name => /\.(js|css)$/.test(name) && !PLAYER.test(name));
const sizes = names.map(name => [name, gzipSync(readFileSync(new URL(name, FOLDER))).length]);
const all = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
console.log(`console: ${all} bytes compressed in ${names.length} files, of at most ${BYTES_MAX}`);
if (names.length === 0 || all > BYTES_MAX) {
  for (const [name, bytes] of sizes) console.log(`  ${bytes} ${name}`);
  process.exit(1);
}
