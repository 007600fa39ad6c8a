/** Which pages the site has, in the order of its navigation. Paths are those of the repository. */

/** @type {{ title: string, pages: [path: string, title: string][] }[]} */
export const GROUPS = [
  {
    title: "Guides",
    pages: [
      ["docs/guides/README.md", "All guides"],
      ["docs/guides/quick-start.md", "Quick start"],
      ["docs/guides/install.md", "Install"],
      ["docs/guides/move-from-ivs.md", "Move from Amazon IVS"],
      ["docs/guides/move-from-ivs-web.md", "Move the web SDK"],
      ["docs/guides/publish.md", "Publish"],
      ["docs/guides/vs-mode.md", "VS mode"],
      ["docs/guides/fan-out.md", "A thousand stages"],
      ["docs/guides/ci.md", "Test in CI"],
      ["docs/guides/production.md", "In production"],
      ["docs/guides/troubleshooting.md", "Troubleshooting"],
    ],
  },
  {
    title: "Reference",
    pages: [
      ["docs/cli.md", "Command line"],
      ["restage.toml", "Settings"],
      ["docs/console.md", "The console"],
      ["docs/operations.md", "Operations"],
      ["docs/ingest.md", "Encoders: RTMP"],
      ["docs/recording.md", "Recording"],
      ["docs/composition.md", "Composition"],
      ["js/client/README.md", "JavaScript client"],
      ["docs/compatibility.md", "Compatibility"],
      ["docs/compatibility-model.md", "Operations and members"],
      ["docs/performance.md", "Performance"],
      ["docs/reliability.md", "Reliability"],
    ],
  },
  {
    title: "Project",
    pages: [
      ["README.md", "README"],
      ["SECURITY.md", "Threat model"],
      ["ARCHITECTURE.md", "Architecture"],
      ["CONTRIBUTING.md", "Contributing"],
      ["CHANGELOG.md", "Changelog"],
    ],
  },
];

/** Pages that no navigation shows, because other pages lead to them. */
export const OTHERS = [
  "conformance/README.md",
  "conformance/model/README.md",
  "conformance/agreement/README.md",
];

/** The paths of all pages. */
export const PATHS = [...GROUPS.flatMap(group => group.pages.map(([path]) => path)), ...OTHERS];

/** Where files are in the site that are no Markdown and become pages. */
const AS_PAGES = { "restage.toml": "docs/settings.md" };

/**
 * Where a page is in the site: a folder's README is the folder's own page.
 * @param {string} path
 */
export function staged(path) {
  if (path in AS_PAGES) return AS_PAGES[path];
  return path.replace(/(^|\/)README\.md$/, "$1index.md");
}
