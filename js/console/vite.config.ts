/** How the console is built into `dist/`, which the server's binary contains, and how it is served while one works on it. */

import { defaultClientConditions, defineConfig } from "vite";

/** The server to which `npm run dev` passes calls on. */
const SERVER = process.env.RESTAGE_URL ?? "http://127.0.0.1:4080";

export default defineConfig(({ command }) => ({
  // Once built, the console may be below another path than /console/, behind a proxy.
  base: command === "serve" ? "/console/" : "./",
  // The client's own sources, so that it need not be built before.
  resolve: { conditions: ["source", ...defaultClientConditions] },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    // The Content-Security-Policy permits no data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The licences of what is in the bundle go with it.
    license: { fileName: "licences.txt" },
  },
  server: {
    proxy: Object.fromEntries(
      ["^/(console/api|whip|whep|events|restage|recordings)(/|$)", "^/[A-Z][A-Za-z]+$"].map(path => [
        path,
        // The signature covers the Host header.
        { target: SERVER, changeOrigin: false, ws: true },
      ]),
    ),
  },
}));
