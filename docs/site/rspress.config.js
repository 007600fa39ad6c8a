/** Settings of the generator. `site.js` runs it, once the pages are in `pages/`. */

import { defineConfig } from "@rspress/core";

import { GROUPS, staged } from "./pages.js";

const link = path =>
  `/${staged(path)
    .replace(/(^|\/)index\.md$/, "$1")
    .replace(/\.md$/, "")}`;

const sidebar = GROUPS.map(group => ({
  text: group.title,
  items: group.pages.map(([path, text]) => ({ text, link: link(path) })),
}));

export default defineConfig({
  root: "pages",
  outDir: "out",
  base: process.env.SITE_BASE,
  title: "restage",
  description: "A self-hosted real-time video server that speaks the Amazon IVS Real-Time API",
  icon: "/icon.svg",
  globalStyles: new URL("site.css", import.meta.url).pathname,
  // `sources.js` has checked them.
  markdown: { link: { checkDeadLinks: false } },
  // What was built before would be used with another base, too.
  builderConfig: { performance: { buildCache: false } },
  themeConfig: {
    sidebar: { "/": sidebar },
    nav: [
      { text: "Guides", link: link("docs/guides/README.md") },
      { text: "Reference", link: link("docs/cli.md") },
    ],
    lastUpdated: false,
  },
});
