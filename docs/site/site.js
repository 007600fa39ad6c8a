/**
 * Builds the site from the pages of the repository, into `out/`. The pages stay as they are, so that they can be read on a repository host:
 * their links are checked there, then laid out for the generator in `pages/`, and checked again in what it has built.
 *
 * The generator is Rspress: MIT, a release each month, CommonMark as repository hosts read it, a search that works without a server, and five
 * seconds for all pages. VitePress has had no release but alphas for more than a year, mdBook takes minutes to compile, and the successors of
 * MkDocs read another Markdown.
 *
 * `SITE_BASE` is the path under which the site will be served, with slashes around it; `/` without it.
 */

import { execFileSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { checkBuilt } from "./built.js";
import { PATHS } from "./pages.js";
import { checkSources, layOut } from "./sources.js";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, "../..");
/** It takes seconds, on a busy machine most of a minute. */
const BUILD_LIMIT_MS = 300_000;
const BASE = process.env.SITE_BASE ?? "/";

function endIfWrong(faults) {
  if (faults.length === 0) return;
  for (const fault of faults) console.error(fault);
  console.error(`site: ${faults.length} faults`);
  process.exit(1);
}

endIfWrong(await checkSources(ROOT));
await layOut(ROOT, path.join(HERE, "pages"));
const generator = path.join(HERE, "node_modules/.bin/rspress");
try {
  execFileSync(generator, ["build"], {
    cwd: HERE,
    stdio: "pipe",
    timeout: BUILD_LIMIT_MS,
    env: { ...process.env, SITE_BASE: BASE },
  });
} catch (error) {
  console.error(`${error.stdout}${error.stderr}`);
  process.exit(1);
}
endIfWrong(await checkBuilt(path.join(HERE, "out"), BASE));
console.log(
  `site: ${PATHS.length} pages in docs/site/out; to read them: python3 -m http.server -d docs/site/out`,
);
