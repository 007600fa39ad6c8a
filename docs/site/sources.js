/** Checks the links of all Markdown of the repository, as its readers follow them there, and lays the pages of the site out for the generator. */

import { execFileSync } from "node:child_process";
import { cp, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";

import { read } from "./markdown.js";
import { PATHS, staged } from "./pages.js";

/** The Markdown that git has or would add. */
function sources(root) {
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard", "-z", "*.md"], { cwd: root });
  return listed.toString().split("\0").filter(Boolean);
}

const exists = file =>
  stat(file).then(
    () => true,
    () => false,
  );

const isForeign = url => /^[a-z][a-z0-9+.-]*:/i.test(url);

/** The file a link leads to, by its path in the repository, and the anchor in it. */
function target(page, url) {
  const [file, anchor] = url.split("#");
  const to = file === "" ? page : path.posix.join(path.posix.dirname(page), decodeURI(file));
  return { to, anchor };
}

/**
 * @param {string} root The repository.
 * @returns {Promise<string[]>} What is wrong, a line each.
 */
export async function checkSources(root) {
  const faults = [];
  const pages = new Map();
  for (const page of sources(root)) {
    // A file that was deleted and is still in the index.
    const text = await readFile(path.join(root, page), "utf8").catch(() => undefined);
    if (text !== undefined) pages.set(page, read(text));
  }
  for (const page of PATHS) {
    if (!(await exists(path.join(root, page)))) faults.push(`docs/site/pages.js: there is no ${page}`);
  }
  for (const page of pages.keys()) {
    if (page.startsWith("docs/") && !PATHS.includes(page))
      faults.push(`docs/site/pages.js: ${page} is missing`);
  }
  for (const [page, { links }] of pages) {
    for (const { url, line } of links) {
      if (isForeign(url)) continue;
      const { to, anchor } = target(page, url);
      if (!(await exists(path.join(root, to)))) faults.push(`${page}:${line}: ${url}: there is no ${to}`);
      else if (anchor !== undefined && !pages.get(to)?.anchors.has(anchor))
        faults.push(`${page}:${line}: ${url}: ${to} has no heading with this anchor`);
    }
  }
  return faults;
}

/** A link of a page as the site has it; undefined if it leads to what the site does not have. */
function rewritten(page, { url, isImage }) {
  if (isForeign(url) || url.startsWith("#")) return url;
  const { to, anchor } = target(page, url);
  const from = path.posix.dirname(staged(page));
  // The generator takes what begins without a dot for a package.
  const relative = file => path.posix.relative(from, file).replace(/^(?!\.)/, "./");
  if (isImage) return relative(to);
  if (!PATHS.includes(to)) return undefined;
  return relative(staged(to)) + (anchor === undefined ? "" : `#${anchor}`);
}

/** The text of a page with its links as the site has them. What the site does not have is text without a link. */
function stage(page, text) {
  const { links } = read(text);
  let result = text;
  for (const link of links.sort((a, b) => b.span[0] - a.span[0])) {
    const url = rewritten(page, link);
    const whole = text.slice(...link.span);
    let put = whole;
    if (url === undefined && link.label) put = text.slice(...link.label);
    else if (url !== undefined && url !== link.url) put = whole.replace(`](${link.url}`, `](${url}`);
    result = result.slice(0, link.span[0]) + put + result.slice(link.span[1]);
  }
  return result;
}

/** A file that is no Markdown, as a page. */
function asPage(file, text) {
  return `# ${path.posix.basename(file)}\n\n\`\`\`${path.extname(file).slice(1)}\n${text.trimEnd()}\n\`\`\`\n`;
}

/**
 * Writes the pages of the site, with their images, into a folder.
 * @param {string} root The repository.
 * @param {string} into
 */
export async function layOut(root, into) {
  await rm(into, { recursive: true, force: true });
  for (const page of PATHS) {
    const text = await readFile(path.join(root, page), "utf8");
    const to = path.join(into, staged(page));
    await mkdir(path.dirname(to), { recursive: true });
    await writeFile(to, page.endsWith(".md") ? stage(page, text) : asPage(page, text));
  }
  await cp(path.join(root, "docs/images"), path.join(into, "docs/images"), { recursive: true });
  // What is in `public` is served as it is.
  await cp(path.join(root, "docs/site/icon.svg"), path.join(into, "public/icon.svg"));
}
