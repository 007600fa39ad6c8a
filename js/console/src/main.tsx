/** Starts the console. */

import "./style/tokens.css";
import "./style/base.css";
import "./style/layout.css";
import "./style/controls.css";
import "./style/content.css";

import { render } from "preact";

import { start } from "./api/live";
import { takeKey } from "./api/session";
import { App } from "./app";
import { showSafely } from "./components/shown";
import { readRoute } from "./routes";
import { startTheme } from "./theme";

showSafely();
startTheme();
takeKey();
readRoute();
addEventListener("hashchange", event => {
  takeKey(event.oldURL);
  readRoute();
});
start();

const root = document.getElementById("app");
if (root) render(<App />, root);
