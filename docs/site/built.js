/** Checks the site that was built: every link leads to a page or anchor of it, and nothing is loaded from another host. */

import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

/** Attributes by which a browser loads something by itself, and `url()` of style sheets. */
const LOADED =
  /<(?:script|img|source|iframe|video|audio)\b[^>]*?\bsrc="([^"]*)"|<link\b[^>]*?\bhref="([^"]*)"/g;
const STYLED = /url\(\s*['"]?([^'")]+)/g;

async function files(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter(entry => entry.isFile()).map(entry => path.join(entry.parentPath, entry.name));
}

const unescaped = text => text.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&#x27;", "'");

/**
 * @param {string} folder The site.
 * @param {string} base The path under which it is served, with slashes around it.
 * @returns {Promise<string[]>} What is wrong, a line each.
 */
export async function checkBuilt(folder, base) {
  const faults = [];
  const all = new Set(await files(folder));
  const pages = new Map();
  for (const file of all) {
    if (!file.endsWith(".html")) continue;
    const text = await readFile(file, "utf8");
    const anchors = new Set([...text.matchAll(/\bid="([^"]*)"/g)].map(([, id]) => unescaped(id)));
    pages.set(file, { text, anchors });
  }
  const find = (page, url) => {
    const [at] = url.split(/[?#]/);
    if (at === "") return page;
    if (at.startsWith("/") && !at.startsWith(base)) return undefined;
    const to = at.startsWith("/")
      ? path.join(folder, decodeURI(at.slice(base.length)))
      : path.join(path.dirname(page), decodeURI(at));
    return [to, `${to}.html`, path.join(to, "index.html")].find(file => all.has(file));
  };
  for (const [page, { text }] of pages) {
    const name = path.relative(folder, page);
    const loaded = [...text.matchAll(LOADED)].map(([, src, href]) => src ?? href);
    for (const url of loaded) {
      if (/^(?:https?:)?\/\//.test(url)) faults.push(`${name}: loads ${url} from another host`);
      else if (!url.startsWith("data:") && !find(page, url)) faults.push(`${name}: ${url} is not there`);
    }
    for (const [, written] of text.matchAll(/<a\b[^>]*?\bhref="([^"]*)"/g)) {
      const url = unescaped(written);
      if (/^[a-z]+:/.test(url)) continue;
      const to = find(page, url);
      const anchor = url.split("#")[1];
      if (!to) faults.push(`${name}: ${url} leads nowhere`);
      else if (anchor && !pages.get(to)?.anchors.has(decodeURIComponent(anchor)))
        faults.push(`${name}: ${url}: there is no such anchor`);
    }
  }
  for (const file of all) {
    if (!file.endsWith(".css")) continue;
    for (const [, url] of (await readFile(file, "utf8")).matchAll(STYLED))
      if (/^(?:https?:)?\/\//.test(url))
        faults.push(`${path.relative(folder, file)}: loads ${url} from another host`);
  }
  if (pages.size === 0) faults.push(`there is no page in ${folder}`);
  return faults;
}
