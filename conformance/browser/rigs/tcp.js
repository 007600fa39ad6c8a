/**
 * Measures what a Chromium viewer that is reached over TCP alone is shown when its link carries less than the largest layer,
 * and when it is free again. `node conformance/browser/rigs/tcp.js [CODEC]`; needs root. `RESTAGE_BINARY` names the server's
 * binary.
 */

import { fileURLToPath } from "node:url";

import { isInLab, runInLab, whyNoLab } from "../support/lab.js";
import { overTcp } from "../support/tcp.js";

const SELF = fileURLToPath(import.meta.url);
const TIMES = { throttledMs: 20_000, beginMs: 8_000, freeMs: 30_000 };

if (isInLab()) {
  const codec = process.argv[2] ?? "VP8";
  const { path, fallenS, climbedS, settled, dropped, throttledBps } = await overTcp(codec, TIMES);
  console.log(
    `${codec} over ${path}, ${throttledBps} bit/s: a smaller layer after ${fallenS.toFixed(1)} s, then ${settled.fps.toFixed(1)} pictures/s of ` +
      `heights ${settled.heights}, frozen for ${settled.frozenS.toFixed(1)} s, ${settled.concealedPercent.toFixed(1)} % of ` +
      `sound concealed; the largest again after ${climbedS.toFixed(1)} s; ${dropped} datagrams left out for connections`,
  );
} else if (!whyNoLab()) {
  await runInLab([SELF, ...process.argv.slice(2)]);
}
