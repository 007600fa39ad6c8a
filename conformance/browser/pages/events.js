// @ts-check
/** Listens to a stage's events, and records the server's reports about this participant's connections. */

import { listen } from "./client/connections/index.js";

const wishes = new URLSearchParams(location.hash.slice(1));
const events = listen(wishes.get("token") ?? "");
/** @type {{category: string, code: string, message: string}[]} */
const troubles = [];
events.addEventListener("trouble", event => {
  const { category, code, message } = /** @type {any} */ (event).trouble.error;
  troubles.push({ category, code, message });
});
Object.assign(window, {
  readEvents: () => ({
    state: events.state,
    error: events.error?.code,
    publishing: events.participants.map(participant => participant.userId),
    troubles,
  }),
});
